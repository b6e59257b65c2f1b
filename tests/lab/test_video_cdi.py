"""The video device on a real node: driver updates, what containers see, interrupted runs, and taking it away again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.raw_pyinfra import OF_THE_MANIFEST, apply
from tests.lab.support.nodes import file_replaced, program, wait_until
from wslgpu.lab import Lab, Node, shape

pytestmark = pytest.mark.lab

TASK = "tasks.video_cdi.video_cdi"
TOOLKIT = "tasks.container_toolkit.container_toolkit"
KEPT = "Keep the video device's CDI spec in step with the driver"
WATCHED = "Make CDI specs anew when the driver changes"
SPEC = "/etc/cdi/wslgpu-video.yaml"
OURS = "/etc/cdi/nvidia.yaml"
THEIRS = "/var/run/cdi/nvidia.yaml"
SERVICE = "wslgpu-cdi-refresh.service"
PATH_UNIT = "wslgpu-cdi-refresh.path"
PROGRAM = "/usr/local/lib/wslgpu/refresh-cdi"
DEVICES = "nvidia.com/gpu=all,wslgpu.dev/gpu=video"
IMAGE = "docker.io/nvidia/cuda:13.0.0-base-ubuntu24.04"
OLD: dict[str, Any] = {"container_toolkit_version": "1.18.1-1", "allow_downgrade": True}
"""Here wslgpu writes both specs, and the video device has mounts of its own."""


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    for task in ("tasks.containerd.containerd", TOOLKIT, TASK, "tasks.cuda_images.cuda_images"):
        run = apply(lab, task)
        assert run.rc == 0, run.text
    return lab.node()


def provision(lab: Lab, **data: Any) -> None:
    """The toolkit of a version with its video device; nothing is done where that is so already."""
    version = data.get("container_toolkit_version", "1.20.0-1")
    if lab.node().run("dpkg-query -W -f '${Version}' nvidia-container-toolkit").stdout == version:
        return
    for task in (TOOLKIT, TASK):
        run = apply(lab, task, **data)
        assert run.rc == 0, run.text
    rest(lab.node())


def rest(node: Node) -> None:
    """Wait until no change is being worked on any more."""
    wait_until(node, f"! systemctl is-active {SERVICE} | grep -q ^activating")


def ctr(*words: str, detach: bool = False) -> str:
    """A container that asks for both devices, as a pod's environment does."""
    options = "--detach" if detach else "--rm"
    return (
        f"ctr -n k8s.io run {options} --runc-binary=/usr/bin/nvidia-container-runtime --cpu-shares 0"
        f" --env NVIDIA_VISIBLE_DEVICES={DEVICES} {IMAGE} video-test {' '.join(words)}"
    )


def sees(node: Node) -> str:
    """What a container that is started now has in its loader's cache and among its mounts."""
    return node.nsenter(ctr("sh -c 'ldconfig -p; cat /proc/self/mountinfo'")).stdout


@contextlib.contextmanager
def container(node: Node) -> Iterator[None]:
    """A container that goes on running."""
    node.nsenter(ctr("sleep 600", detach=True))
    try:
        yield
    finally:
        node.nsenter("ctr -n k8s.io tasks rm --force video-test; ctr -n k8s.io containers rm video-test", check=False)


def updated(node: Node, store_hash: str, spec: str) -> None:
    """A Windows driver update, and the specs follow by the unit alone."""
    node.replace_driver_store(store_hash, "590.10")
    wait_until(node, f"grep -q {store_hash} {spec}")
    rest(node)


def follows(node: Node, lab: Lab, store_hash: str, spec: str, **data: Any) -> None:
    """The specs follow an update, a container that is started then sees it, and apply finds nothing to do."""
    provision(lab, **data)
    assert store_hash not in node.run(f"cat {spec}").stdout
    updated(node, store_hash, spec)
    seen = sees(node)
    assert "libnvidia-encode.so.1 " in seen
    assert "libnvcuvid.so.1 " in seen
    assert f"nv_dispi.inf_amd64_{store_hash}/libcuda.so.1.1" in seen
    assert not node.run(f"systemctl is-failed {SERVICE} {PATH_UNIT}").ok
    assert node.run(f"test -e {OURS}").ok == (spec == OURS)
    assert apply(lab, TASK, **data).changed == ()


@pytest.mark.parametrize("store_hash", [f"{1:016x}", f"{2:016x}"])
def test_specs_follow_a_driver_update_by_themselves_28(node: Node, lab: Lab, store_hash: str) -> None:
    """Twice: the watch is set again after the mounts were replaced."""
    follows(node, lab, store_hash, THEIRS)
    assert "hostPath" not in node.run(f"cat {SPEC}").stdout


def boots(node: Node, store_hash: str, spec: str) -> None:
    """The driver is updated while the distro is down, as after `wsl --shutdown`."""
    node.kill()
    node.replace_driver_store(store_hash, "590.10")
    node.start()
    wait_until(node, f"grep -q {store_hash} {spec}")
    rest(node)
    assert not node.run(f"systemctl is-failed {SERVICE}").ok
    assert "ordering cycle" not in node.run("journalctl --boot --no-pager", check=True).stdout
    assert "libnvidia-encode.so.1 " in sees(node)


def test_specs_fit_after_a_boot_28(node: Node, lab: Lab) -> None:
    provision(lab)
    boots(node, f"{4:016x}", THEIRS)


def test_the_two_units_do_not_fight(node: Node, lab: Lab) -> None:
    """Where NVIDIA's unit writes nvidia.com/gpu, ours starts it when its spec does not fit, and only then."""
    provision(lab)

    def theirs() -> str:
        return node.run("systemctl show --property=InvocationID nvidia-cdi-refresh.service").stdout

    before = theirs()
    node.run(f"systemctl start {SERVICE}", check=True, timeout=120)
    assert theirs() == before
    node.run(f"rm {THEIRS} && systemctl start {SERVICE}", check=True, timeout=120)
    assert theirs() != before
    assert node.run(f"test -s {THEIRS}").ok
    assert not node.run(f"test -e {OURS}").ok


def test_a_container_keeps_the_files_it_was_started_with_28_29(node: Node, lab: Lab) -> None:
    """The running one goes on with the old driver's files, and is named; a new one has the new driver's."""
    provision(lab)
    with container(node):
        updated(node, f"{7:016x}", THEIRS)
        pid = node.run("ctr -n k8s.io tasks ls | awk '$1 == \"video-test\" {print $2}'").stdout.strip()
        assert "nv_dispi" in node.run(f"cat /proc/{pid}/mountinfo").stdout
        assert f"{7:016x}" not in node.run(f"cat /proc/{pid}/mountinfo").stdout
        run = apply(lab, TASK)
        assert run.rc == 0
        assert f"process {pid} (sleep) in a container still has the files of" in run.text
    assert f"{7:016x}" in sees(node)
    assert "still has the files of" not in apply(lab, TASK).text


def test_a_device_claimed_by_another_file_30(node: Node, lab: Lab) -> None:
    provision(lab)
    node.run(f"cp {SPEC} /etc/cdi/mine.yaml && sed -i 1d /etc/cdi/mine.yaml", check=True)
    try:
        (error,) = apply(lab, TASK).errors
        assert error.error_class.value == "platform"
        assert f"{SPEC} and /etc/cdi/mine.yaml" in error.what
        assert node.run("test -e /etc/cdi/mine.yaml").ok
        assert apply(lab, TASK, video_cdi_install="absent").rc == 0
        assert node.run("ls /etc/cdi").stdout == "mine.yaml\n"
    finally:
        node.run("rm /etc/cdi/mine.yaml")
    assert apply(lab, TASK).changed == (WATCHED, KEPT)


def test_a_site_may_have_a_kind_of_its_own_and_none_at_all(node: Node, lab: Lab) -> None:
    provision(lab)
    assert apply(lab, TASK, video_cdi_kind="site.example/codecs").changed == (WATCHED, KEPT)
    listed = node.run("nvidia-ctk cdi list").stdout
    assert "site.example/codecs=video" in listed
    assert "wslgpu.dev" not in listed
    gone: dict[str, Any] = {"video_cdi_install": "absent"}
    assert apply(lab, TASK, **gone).changed == ("Take the video device away",)
    left = f"ls -d {SPEC} {PROGRAM} /etc/systemd/system/wslgpu-cdi-refresh.* /usr/local/lib/wslgpu"
    assert node.run(f"{left} 2>/dev/null").stdout == ""
    assert apply(lab, TASK, **gone).changed == ()
    assert apply(lab, TASK).changed == (WATCHED, KEPT)


def test_somebody_elses_spec_at_our_place_is_kept_beside(node: Node, lab: Lab) -> None:
    provision(lab)
    node.run(f"echo 'kind: a.example/b' >{SPEC}", check=True)
    assert apply(lab, TASK).changed == (KEPT,)
    assert node.run(f"cat {SPEC}.wslgpu-before").stdout == "kind: a.example/b\n"
    node.run(f"rm {SPEC}.wslgpu-before")
    assert apply(lab, TASK).changed == OF_THE_MANIFEST  # it had that copy on record


@pytest.mark.parametrize("scenario", ["codecs-only-in-lib", "codecs-nowhere"])
def test_where_the_driver_has_them(node: Node, lab: Lab, scenario: str) -> None:
    """In WSL's folder alone, even 1.20 lacks them and the device brings them; nowhere, there is no device, and it is
    said. When they come back, so does the device."""
    provision(lab)
    target, store_hash = node.root / shape.HERE / "driver", f"{len(scenario):016x}"
    shape.make_driver(target, scenario, store_hash, "590.10")
    node.nsenter(f"sh /{shape.HERE}/mount-driver.sh")
    wait_until(node, f"grep -q {store_hash} {THEIRS}")
    rest(node)
    if scenario == "codecs-nowhere":
        assert not node.run(f"test -e {SPEC}").ok
        run = apply(lab, TASK)
        assert "this node has no video codec library" in run.text
        assert run.changed == ()
    else:
        mounts = node.run(f"sed -n 's/.*hostPath: //p' {SPEC}").stdout.split()
        names = ("libnvcuvid.so.1", "libnvidia-encode.so.1", "libnvidia-opticalflow.so.1")
        assert mounts == [f"/usr/lib/wsl/lib/{name}" for name in names]
        assert "/usr/lib/wsl/lib/libnvidia-encode.so.1" in sees(node)
    updated(node, f"{3 + len(scenario):016x}", THEIRS)
    assert node.run(f"test -e {SPEC}").ok


@pytest.mark.parametrize(("version", "spec"), [("1.19.1-1", THEIRS), ("1.18.1-1", OURS)])
def test_specs_follow_with_older_toolkits_too_28(node: Node, lab: Lab, version: str, spec: str) -> None:
    """They mount no codec library themselves; 1.18 has no unit that runs on WSL."""
    data: dict[str, Any] = {"container_toolkit_version": version, "allow_downgrade": True}
    follows(node, lab, f"{version[2:4]:0>16}", spec, **data)
    assert node.run(f"grep -c 'hostPath: /usr/lib/wsl/lib/' {SPEC}").stdout == "3\n"  # the store has them too


def test_specs_fit_after_a_boot_with_an_older_toolkit_28(node: Node, lab: Lab) -> None:
    provision(lab, **OLD)
    boots(node, f"{5:016x}", OURS)


def test_a_stale_spec_is_named_by_the_unit_and_stays_29(node: Node, lab: Lab) -> None:
    """Where no new spec can be made the old one stays whole, and the unit fails with what is stale."""
    provision(lab, **OLD)
    node.run(f"systemctl stop {PATH_UNIT}", check=True)
    old = node.run(f"cat {OURS} {SPEC}").stdout
    try:
        node.replace_driver_store(f"{8:016x}", "590.11")
        with file_replaced(node, "/usr/bin/nvidia-ctk", "#!/bin/sh\necho no adapter >&2\nexit 1\n"):
            node.nsenter("chmod 755 /usr/bin/nvidia-ctk")
            assert not node.run(f"systemctl start {SERVICE}", timeout=120).ok
        assert node.run(f"cat {OURS} {SPEC}").stdout == old
        said = node.run(f"journalctl --unit {SERVICE} --output=cat --no-pager --lines=20").stdout
        assert "nvidia-ctk cdi generate: no adapter" in said
        assert f"{OURS} is stale and left as it was: it names /usr/lib/wsl/drivers/" in said
        assert node.run(f"systemctl is-failed {SERVICE}").ok
    finally:
        node.nsenter(f"systemctl start {PATH_UNIT}")
    assert apply(lab, TASK, **OLD).changed == (KEPT,)
    assert f"{8:016x}" in node.run(f"cat {OURS}").stdout
    assert not node.run(f"systemctl is-failed {SERVICE}").ok


@pytest.fixture
def to_be_made_anew(node: Node, lab: Lab) -> str:
    """A node whose video spec does not fit; its text."""
    provision(lab, **OLD)
    node.run(f"systemctl stop {PATH_UNIT} && sed -i '/opticalflow/,/rprivate/d' {SPEC}", check=True)
    return node.run(f"cat {SPEC}").stdout


def settled_again(node: Node, lab: Lab) -> None:
    run = apply(lab, TASK, **OLD)
    assert run.rc == 0, run.text
    assert "opticalflow" in node.run(f"cat {SPEC}").stdout
    assert node.run("ls -A /etc/cdi").stdout.split() == ["nvidia.yaml", "wslgpu-video.yaml"]
    assert apply(lab, TASK, **OLD).changed == ()


def test_killed_at_the_rename_the_old_spec_is_whole_35(node: Node, lab: Lab, to_be_made_anew: str) -> None:
    kill = f'#!/bin/sh\ncase "$*" in *wslgpu-video*) systemctl kill --signal=KILL {SERVICE}; sleep 60 ;; esac\n'
    with program(node, "mv", f'{kill}exec /bin/mv "$@"\n'):
        assert not node.run(f"systemctl start {SERVICE}", timeout=120).ok
    assert "code=killed" in node.run(f"systemctl status {SERVICE} --no-pager").stdout
    assert node.run(f"cat {SPEC}").stdout == to_be_made_anew
    assert ".wslgpu-video.yaml.wslgpu-" in node.run("ls -A /etc/cdi").stdout
    assert "wslgpu.dev/gpu=video" in node.run("nvidia-ctk cdi list").stdout
    settled_again(node, lab)


def test_a_full_disk_leaves_the_old_spec_20(node: Node, lab: Lab, to_be_made_anew: str) -> None:
    node.nsenter("mkdir /run/full && mount -t tmpfs -o size=64k none /run/full && cp -a /etc/cdi/. /run/full/")
    node.nsenter("dd if=/dev/zero of=/run/full/zero bs=4k status=none", check=False)
    node.nsenter("mount --bind /run/full /etc/cdi")
    try:
        run = apply(lab, TASK, **OLD)
        (error,) = [one for one in run.errors if SPEC in one.what]
        assert error.error_class.value == "platform"
        assert "no space" in error.what
        assert node.run(f"cat {SPEC}").stdout == to_be_made_anew
    finally:
        node.nsenter("umount /etc/cdi; umount /run/full; rmdir /run/full")
    settled_again(node, lab)


def test_two_runs_at_once_make_one_spec(node: Node, lab: Lab, to_be_made_anew: str) -> None:
    once = f"{PROGRAM} once own wslgpu.dev/gpu"
    done = node.run(f"{once} >/run/one & {once} >/run/two; wait; cat /run/one /run/two", check=True)
    assert done.stdout.count(f"made {SPEC} anew") == 1
    settled_again(node, lab)
