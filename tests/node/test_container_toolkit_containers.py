"""What a container started through the NVIDIA runtime sees, and that one without the request sees nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.node.support import cdi, containerd, gpu
from tests.node.support.checks import check, not_applicable, unknown
from tests.node.support.container import NVIDIA_RUNTIME, RUNC, held_reference, pin_of, run_container
from tests.node.support.node import Answer, Node
from wslgpu.settings import Settings

_LOOK = r"""
echo began
for f in /dev/* /dev/*/*; do if [ -c "$f" ] || [ -b "$f" ]; then echo "device $f"; fi; done
while read -r _ _ _ _ place _; do echo "mount $place"; done </proc/self/mountinfo
ldconfig -p 2>/dev/null | while read -r name rest; do
  case $name in libcuda.so*) echo "library $name ${rest##*> }";; esac; done
for f; do [ -e "$f" ] && echo "file $(stat -c '%d:%i:%s' "$f") $f"; done
echo ended
"""


@dataclass(frozen=True)
class Sight:
    """What a container saw.

    :param files: path -> device, inode and size, which name the same file in the container and outside
    """

    devices: frozenset[str]
    mounts: frozenset[str]
    libraries: tuple[str, ...]
    files: dict[str, str]


def parse_sight(answer: Answer) -> Sight:
    """Read what ``_LOOK`` printed; an AssertionError when the container did not run to the end."""
    lines = answer.lines
    ran = answer.ok and {"began", "ended"} <= set(lines)
    assert ran, f"the container did not run: {answer}"
    rows = [line.split(" ", 1) for line in lines if " " in line]
    files = [value.split(" ", 1) for key, value in rows if key == "file"]
    return Sight(
        frozenset(value for key, value in rows if key == "device"),
        frozenset(value for key, value in rows if key == "mount"),
        tuple(value for key, value in rows if key == "library"),
        {path: identity for identity, path in files},
    )


@pytest.fixture(scope="module")
def spec(node: Node, settings: Settings) -> cdi.Spec:
    gpu.require(node)
    place = cdi.PLACES[settings.toolkit.cdi_spec_owner]
    if not node.exists(place):
        unknown(f"{place} is not there (container_toolkit.cdi.present)")
    return cdi.parse(place, node.read(place))


@pytest.fixture(scope="module")
def image(node: Node, settings: Settings) -> str:
    """The base image, as a reference."""
    if not node.exists(NVIDIA_RUNTIME):
        unknown(f"{NVIDIA_RUNTIME} is not there (container_toolkit.packages.version)")
    containerd.require_active(node)
    pin = pin_of(settings, "base")
    reference = held_reference(node, settings.cuda_images_namespace, pin) if pin else ""
    return reference or unknown("the base image is not held (cuda_images.base.held)")


def _look(node: Node, settings: Settings, image: str, spec: cdi.Spec, devices: str, runtime: str) -> Sight:
    command = ("sh", "-c", _LOOK, "look", *spec.mounts.values())
    namespace = settings.cuda_images_namespace
    return parse_sight(run_container(node, namespace, image, *command, devices=devices, runtime=runtime))


@pytest.fixture(scope="module")
def without(node: Node, settings: Settings, image: str, spec: cdi.Spec) -> Sight:
    """A container of the NVIDIA runtime that asks for no GPU."""
    return _look(node, settings, image, spec, "void", NVIDIA_RUNTIME)


@pytest.fixture(scope="module")
def sees(node: Node, settings: Settings, image: str, spec: cdi.Spec) -> Sight:
    """The same container, asking for all."""
    return _look(node, settings, image, spec, "all", NVIDIA_RUNTIME)


@check("container_toolkit.container.devices")
def test_container_gets_the_devices(spec: cdi.Spec, sees: Sight, without: Sight) -> None:
    """A container that asks gets just the device nodes of the spec, more than one that does not ask."""
    got = sorted(sees.devices - without.devices)
    assert got == sorted(spec.device_nodes), f"the container gets the devices {got}, not {spec.device_nodes}"


@check("container_toolkit.container.files")
def test_container_gets_the_files(settings: Settings, node: Node, spec: cdi.Spec, sees: Sight, without: Sight) -> None:
    """It gets just the files of the spec, and they are the host's own."""
    if settings.container_toolkit_runtime_mode == "legacy":
        not_applicable("the legacy mode does not go by the CDI spec")
    wanted = set(spec.mounts.values())
    got = {place for place in sees.mounts - without.mounts if place in wanted or place.startswith("/usr/lib/wsl/")}
    missing, more = sorted(wanted - got), sorted(got - wanted)
    assert not missing, f"the container does not get {', '.join(missing[:5])}"
    assert not more, f"the container gets what the spec does not name: {', '.join(more[:5])}"
    answer = node.shell('for f; do stat -c "%d:%i:%s %n" "$f"; done', *spec.mounts)
    hosts = {path: identity for identity, path in (line.split(" ", 1) for line in answer.lines)}
    others = [inside for host, inside in spec.mounts.items() if sees.files.get(inside) != hosts.get(host)]
    assert not others, f"in the container these are other files than the host's: {', '.join(others[:5])}"


@check("container_toolkit.container.library")
def test_container_finds_libcuda(sees: Sight) -> None:
    """Programs in the container find libcuda.so.1 in the linker's cache, in WSL's directories."""
    assert sees.libraries, "the container's linker cache knows no libcuda"
    assert "/usr/lib/wsl/" in sees.libraries[0], f"the container finds {sees.libraries[0]} first"


@check("container_toolkit.container.answers.{question}")
@pytest.mark.parametrize("question", tuple(gpu.QUESTIONS))
def test_container_answers_as_the_host(
    node: Node, settings: Settings, image: str, spec: cdi.Spec, question: str
) -> None:
    """nvidia-smi in the container and on the host give the same answer."""
    host = gpu.ask(node, question)
    assert host.said, f"the host's nvidia-smi ({question}) does not answer: {host}"
    inside = run_container(
        node,
        settings.cuda_images_namespace,
        image,
        "nvidia-smi",
        *gpu.QUESTIONS[question],
        devices="all",
        runtime=NVIDIA_RUNTIME,
    )
    assert inside.ok, f"nvidia-smi ({question}) does not run in the container: {inside}"
    assert inside.lines == host.lines, f"the container answers {inside.lines}, the host {host.lines}"


@check("container_toolkit.container.named")
def test_container_gets_the_named_device(node: Node, settings: Settings, image: str, spec: cdi.Spec) -> None:
    """Asking for the CDI device by its name gives the same device."""
    if settings.container_toolkit_runtime_mode == "legacy":
        not_applicable("the legacy mode knows no CDI names")
    sight = _look(node, settings, image, spec, f"{cdi.KIND}=all", NVIDIA_RUNTIME)
    missing = [device for device in spec.device_nodes if device not in sight.devices]
    assert not missing, f"{cdi.KIND}=all does not give {', '.join(missing)}"


@check("container_toolkit.container.none.unasked")
def test_unasking_container_gets_nothing(spec: cdi.Spec, without: Sight) -> None:
    """A container of the NVIDIA runtime that asks for no GPU runs, and sees none."""
    _sees_nothing(spec, without)


@check("container_toolkit.container.none.runc")
def test_plain_container_gets_nothing(node: Node, settings: Settings, image: str, spec: cdi.Spec) -> None:
    """A container of plain runc runs, and sees no GPU even when it asks for all."""
    _sees_nothing(spec, _look(node, settings, image, spec, "all", RUNC))


def _sees_nothing(spec: cdi.Spec, sight: Sight) -> None:
    assert "/dev/null" in sight.devices, "the container has no devices at all: this proves nothing"
    assert "/proc" in sight.mounts, "the container has no mounts at all: this proves nothing"
    devices = [device for device in spec.device_nodes if device in sight.devices]
    files = [path for path in spec.mounts.values() if path in sight.files]
    assert not devices, f"the container sees {', '.join(devices)} without having asked"
    assert not files, f"the container sees {', '.join(files[:5])} without having asked"
