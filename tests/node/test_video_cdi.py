"""The CDI device with the driver's video codec libraries: what it promises is there, fits, and reaches a container."""

from __future__ import annotations

import pytest

from tests.node.support import cdi, containerd, gpu
from tests.node.support.checks import check, not_applicable, unknown
from tests.node.support.container import NVIDIA_RUNTIME, held_reference, pin_of, run_container
from tests.node.support.node import Node
from wslgpu.pins import CdiSpecOwner
from wslgpu.settings import Settings

SPEC = "/etc/cdi/wslgpu-video.yaml"
PROGRAM = "/usr/local/lib/wslgpu/refresh-cdi"
SERVICE = "wslgpu-cdi-refresh.service"
UNITS = (SERVICE, "wslgpu-cdi-refresh.path")
DEVICE = "video"
LIBRARY_FOLDER = "/usr/lib/wsl/lib"
CODECS = ("libnvidia-encode.so.1", "libnvcuvid.so.1", "libnvidia-opticalflow.so.1")
REMAKE = "Run `wslgpu apply` again; `systemctl status wslgpu-cdi-refresh` says why the node did not do it by itself."


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".so")[0]


def _wanted(node: Node, settings: Settings) -> None:
    """End the check where the data wants no device or the node has no GPU."""
    if settings.video_cdi_install == "absent":
        not_applicable("the data wants no video device")
    gpu.require(node)


@pytest.fixture(scope="module")
def in_gpu_spec(node: Node, settings: Settings) -> cdi.Spec:
    """The spec of nvidia.com/gpu, which the device completes."""
    _wanted(node, settings)
    place = cdi.PLACES[settings.toolkit.cdi_spec_owner]
    if not node.exists(place):
        unknown(f"{place} is not there (container_toolkit.cdi.present)")
    return cdi.parse(place, node.read(place))


@pytest.fixture(scope="module")
def codecs(node: Node, in_gpu_spec: cdi.Spec) -> dict[str, list[str]]:
    """The codec libraries that the node has -> their paths, that of WSL's own folder first."""
    stores = sorted({path.rsplit("/", 1)[0] for path in in_gpu_spec.mounts if path.startswith(f"{cdi.STORES}/")})
    program = 'for d; do for f in $NAMES; do [ -f "$d/$f" ] && echo "$d/$f"; done; done; :'
    answer = node.shell(f"NAMES='{' '.join(CODECS)}'; {program}", LIBRARY_FOLDER, *stores)
    assert answer.ok, f"the libraries cannot be looked for: {answer}"
    found = {name: [path for path in answer.lines if path.endswith(f"/{name}")] for name in CODECS}
    return {name: paths for name, paths in found.items() if paths}


@pytest.fixture(scope="module")
def spec(node: Node, codecs: dict[str, list[str]]) -> cdi.Spec:
    if not codecs:
        unknown(f"this node has no video codec library in {LIBRARY_FOLDER} or the driver store: containers get none")
    if not node.exists(SPEC):
        unknown(f"{SPEC} is not there (video_cdi.spec.present)")
    return cdi.parse(SPEC, node.read(SPEC))


@check("video_cdi.spec.present", REMAKE)
def test_spec_is_there_just_where_there_is_something_to_promise(node: Node, codecs: dict[str, list[str]]) -> None:
    """The spec is there where the node has a codec library, and is not where it has none."""
    if codecs:
        assert node.exists(SPEC), f"{SPEC} is not there, though the node has {', '.join(codecs)}"
        return
    assert not node.exists(SPEC), f"{SPEC} promises codec libraries that this node does not have"
    unknown(f"this node has no video codec library in {LIBRARY_FOLDER} or the driver store: containers get none")


@check("video_cdi.spec.device", REMAKE)
def test_spec_has_the_one_device(settings: Settings, spec: cdi.Spec) -> None:
    """The spec is of the kind that the data names; its one device is `video`, and it is never empty: /dev/dxg."""
    assert spec.kind == settings.video_cdi_kind, f"{SPEC} is for {spec.kind}, not {settings.video_cdi_kind}"
    assert spec.devices == [DEVICE], f"{SPEC} has the devices {spec.devices}, not {[DEVICE]}"
    assert spec.device_nodes == [gpu.DEVICE], f"{SPEC} gives {spec.device_nodes}, not {[gpu.DEVICE]}"


@check("video_cdi.spec.single", "Remove the other spec, or the program that writes it; then apply again.")
def test_device_is_defined_once(node: Node, settings: Settings, spec: cdi.Spec) -> None:
    """No other spec defines the same device: an engine could not tell which one is meant."""
    same = [one for one in cdi.all_specs(node) if one.kind == settings.video_cdi_kind and DEVICE in one.devices]
    others = [one.path for one in same if one.path != spec.path]
    assert not others, f"{settings.video_cdi_kind}={DEVICE} is also defined by {', '.join(others)}"


@check("video_cdi.spec.paths", REMAKE)
def test_spec_names_what_is_there(node: Node, spec: cdi.Spec) -> None:
    """Every file, device and hook that the spec names is on the node."""
    named = [*spec.mounts, *spec.device_nodes, *spec.hook_programs]
    answer = node.shell('for f; do [ -e "$f" ] || echo "$f"; done', *named)
    assert answer.ok, f"the files cannot be looked for: {answer}"
    assert named, f"{SPEC} names nothing"
    assert not answer.lines, f"{SPEC} names what is not there: {', '.join(answer.lines[:5])}"


@check("video_cdi.spec.libraries", REMAKE)
def test_both_specs_together_have_every_codec_library(
    spec: cdi.Spec, in_gpu_spec: cdi.Spec, codecs: dict[str, list[str]]
) -> None:
    """What nvidia.com/gpu lacks of the node's codec libraries the device brings, and nothing twice."""
    common, own = {_stem(path) for path in in_gpu_spec.mounts}, {_stem(path) for path in spec.mounts}
    missing = [name for name in codecs if _stem(name) not in common | own]
    assert not missing, f"neither {in_gpu_spec.path} nor {SPEC} mounts {', '.join(missing)}"
    assert not common & own, f"both specs mount {', '.join(sorted(common & own))}"


@check("video_cdi.spec.copy", REMAKE)
def test_copy_is_the_one_that_programs_on_the_node_use(spec: cdi.Spec, codecs: dict[str, list[str]]) -> None:
    """Of a library in both folders the device brings that of /usr/lib/wsl/lib, which the loader knows on the node."""
    if not spec.mounts:
        not_applicable("nvidia.com/gpu brings all of them")
    others = [paths[0] for paths in codecs.values() if set(paths) & set(spec.mounts) and paths[0] not in spec.mounts]
    assert not others, f"{SPEC} has other copies than {', '.join(others)}"


@check("video_cdi.refresh.enabled")
def test_node_makes_specs_by_itself(node: Node, settings: Settings) -> None:
    """The service runs at boot, and the driver's folders are watched."""
    _wanted(node, settings)
    for unit in UNITS:
        said = node.run("systemctl", "is-enabled", unit).out.strip()
        assert said == "enabled", f"{unit} is {said or 'not there'}"
    watching = node.run("systemctl", "is-active", UNITS[1]).out.strip()
    assert watching == "active", f"{UNITS[1]} is {watching}"


@check("video_cdi.refresh.result", REMAKE)
def test_last_run_did_not_fail(node: Node, settings: Settings) -> None:
    """The service's last run, if there was one since boot, left no stale spec behind."""
    _wanted(node, settings)
    state = node.run("systemctl", "is-active", SERVICE).out.strip()
    last = node.run("journalctl", "--unit", SERVICE, "--output=cat", "--no-pager", "--lines=20").lines
    said = next((line for line in reversed(last) if line.startswith("wslgpu [")), "")
    assert state != "failed", f"{SERVICE} failed: {said or 'see journalctl --unit ' + SERVICE}"


@check("video_cdi.refresh.unit")
def test_unit_does_what_the_data_wants(node: Node, settings: Settings) -> None:
    """systemd would start the program for this kind and this owner of nvidia.com/gpu, from the file as it is now."""
    _wanted(node, settings)
    owner = "own" if settings.toolkit.cdi_spec_owner is CdiSpecOwner.WSLGPU else "refresh"
    wanted = f"argv[]={PROGRAM} refresh {owner} {settings.video_cdi_kind} ;"
    shown = node.run("systemctl", "show", SERVICE, "--property=ExecStart,NeedDaemonReload")
    assert wanted in shown.out, f"{SERVICE} does not start {PROGRAM} refresh {owner} {settings.video_cdi_kind}"
    assert "NeedDaemonReload=no" in shown.lines, f"{SERVICE} has changed since systemd read it"


@check("video_cdi.refresh.program")
def test_program_answers(node: Node, settings: Settings, spec: cdi.Spec) -> None:
    """The program is root's alone to write, and makes a spec of the kind."""
    assert node.mode_and_owner(PROGRAM) == "755 root:root regular file", f"{PROGRAM} is {node.mode_and_owner(PROGRAM)}"
    answer = node.run(PROGRAM, "print", settings.video_cdi_kind, timeout_s=60)
    assert answer.ok, f"{PROGRAM} does not answer: {answer}"
    assert f"kind: {settings.video_cdi_kind}" in answer.lines, f"{PROGRAM} makes no spec of {settings.video_cdi_kind}"


@check("video_cdi.container.libraries", REMAKE)
def test_container_finds_the_codec_libraries(
    node: Node, settings: Settings, spec: cdi.Spec, codecs: dict[str, list[str]]
) -> None:
    """A container that asks for both devices has every codec library in its loader's cache; one that asks for none,
    none."""
    if settings.container_toolkit_runtime_mode == "legacy":
        not_applicable("the legacy mode knows no CDI names")
    if not node.exists(NVIDIA_RUNTIME):
        unknown(f"{NVIDIA_RUNTIME} is not there (container_toolkit.packages.version)")
    containerd.require_active(node)
    pin = pin_of(settings, "base")
    image = held_reference(node, settings.cuda_images_namespace, pin) if pin else ""
    if not image:
        unknown("the base image is not held (cuda_images.base.held)")
    both = f"{cdi.KIND}=all,{settings.video_cdi_kind}={DEVICE}"
    seen = {}
    for devices in (both, "void"):
        answer = run_container(
            node, settings.cuda_images_namespace, image, "ldconfig", "-p", devices=devices, runtime=NVIDIA_RUNTIME
        )
        assert answer.ok, f"a container that asks for {devices} does not run: {answer}"
        assert len(answer.lines) > 1, f"the loader of a container that asks for {devices} knows no library at all"
        seen[devices] = {line.split()[0] for line in answer.lines}
    missing = sorted(set(codecs) - seen[both])
    assert not missing, f"a container that asks for {both} does not find {', '.join(missing)}"
    unasked = sorted(set(codecs) & seen["void"])
    assert not unasked, f"a container that asks for nothing finds {', '.join(unasked)}"


@check("video_cdi.container.current", "Restart the containers or pods that these processes belong to.")
def test_no_container_runs_with_another_drivers_files(node: Node, settings: Settings) -> None:
    """No container was started with a driver store that is gone by now: it keeps those files until it is restarted."""
    _wanted(node, settings)
    program = f"grep -ohE ' {cdi.STORES}/[^/ ]+/' /proc/[0-9]*/mountinfo 2>/dev/null | sort -u"
    stores = [line.strip().rstrip("/") for line in node.shell(program).lines]
    gone = [store for store in stores if not node.exists(store)]
    if not gone:
        return
    pids = [
        line
        for store in gone
        for line in node.shell('grep -lF " $1/" /proc/[0-9]*/mountinfo 2>/dev/null | cut -d/ -f3', store).lines
    ]
    pytest.fail(f"the processes {', '.join(pids[:5])} still have files of {', '.join(gone)}, which is gone")


@check("video_cdi.absent")
def test_nothing_of_it_is_left(node: Node, settings: Settings) -> None:
    """Where the data wants no device, there is neither spec nor program nor unit of ours."""
    if settings.video_cdi_install != "absent":
        not_applicable("the data wants the video device")
    assert node.exists("/etc/systemd/system"), "there is no /etc/systemd/system: this proves nothing"
    places = (PROGRAM, *(f"/etc/systemd/system/{unit}" for unit in UNITS))
    left = [path for path in places if node.exists(path)]
    if node.exists(SPEC) and node.read(SPEC).startswith("# Made by wslgpu"):
        left.append(SPEC)
    assert not left, f"still there: {', '.join(left)}"
