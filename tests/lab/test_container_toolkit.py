"""The toolkit on real nodes: from one profile to the other and back, the default runtime, a driver update."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.raw_pyinfra import Run, apply
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab

TASK = "tasks.container_toolkit.container_toolkit"
SPEC = "Keep the CDI spec in step with the driver"
RUNTIME = "Give containerd the nvidia runtime"
NAMES = (
    "libnvidia-container-tools",
    "libnvidia-container1",
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
)
OURS = "/etc/cdi/nvidia.yaml"
THEIRS = "/var/run/cdi/nvidia.yaml"


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    for task in ("tasks.containerd.containerd", TASK):
        run = apply(lab, task)
        assert run.rc == 0, run.text
    return lab.node()


def versions(node: Node) -> dict[str, str]:
    rows = node.run(f"dpkg-query -W -f '${{Package}} ${{Version}} ${{db:Status-Want}}\\n' {' '.join(NAMES)}").stdout
    return {line.split()[0]: " ".join(line.split()[1:]) for line in rows.splitlines()}


def settled(lab: Lab, **data: Any) -> None:
    assert apply(lab, TASK, **data).changed == ()


def test_held_pinned_and_settled(node: Node, lab: Lab) -> None:
    assert versions(node) == dict.fromkeys(NAMES, "1.20.0-1 hold")
    assert "Installed: 1.20.0-1\n  Candidate: 1.20.0-1" in node.run("apt-cache policy nvidia-container-toolkit").stdout
    settled(lab)


def test_to_the_other_profile_and_back(node: Node, lab: Lab) -> None:
    refused = apply(lab, TASK, container_toolkit_version="1.18.1-1")
    (error,) = refused.errors
    assert (error.error_class.value, error.exit_code) == ("safety", 1)
    assert "allow_downgrade: true" in error.next_step
    assert versions(node) == dict.fromkeys(NAMES, "1.20.0-1 hold")

    down: dict[str, Any] = {"container_toolkit_version": "1.18.1-1", "allow_downgrade": True}
    run = apply(lab, TASK, **down)
    assert run.rc == 0, run.text
    assert versions(node) == dict.fromkeys(NAMES, "1.18.1-1 hold")
    assert node.run(f"grep -c hostPath {OURS}").stdout == "9\n"
    assert not node.run(f"test -e {THEIRS}").ok
    settled(lab, **down)

    run = apply(lab, TASK)
    assert run.rc == 0, run.text
    assert versions(node) == dict.fromkeys(NAMES, "1.20.0-1 hold")
    assert not node.run(f"test -e {OURS}").ok
    assert int(node.run(f"grep -c hostPath {THEIRS}").stdout) > 9
    settled(lab)


def default_runtime(node: Node) -> str:
    words = node.run("containerd config dump | grep default_runtime_name", check=True).stdout
    return words.split('"')[1]


def test_default_runtime_or_not(node: Node, lab: Lab) -> None:
    assert default_runtime(node) == "nvidia"
    off: dict[str, Any] = {"container_toolkit_default_runtime": False}
    assert apply(lab, TASK, **off).changed == (RUNTIME,)
    assert default_runtime(node) == "runc"
    assert "runtimes.nvidia" in node.run("containerd config dump").stdout
    settled(lab, **off)
    assert apply(lab, TASK).changed == (RUNTIME,)
    assert default_runtime(node) == "nvidia"


def test_a_change_of_containerds_reaches_nvidias_drop_in(node: Node, lab: Lab) -> None:
    """The drop-in repeats the CRI section, so that the containerd task alone has to make it anew."""
    run = apply(lab, "tasks.containerd.containerd", containerd_systemd_cgroup=False)
    assert run.rc == 0, run.text
    assert "SystemdCgroup = true" not in node.run("containerd config dump").stdout
    assert apply(lab, "tasks.containerd.containerd").rc == 0
    assert "SystemdCgroup = false" not in node.run("containerd config dump").stdout
    settled(lab)


def test_runtime_mode(node: Node, lab: Lab) -> None:
    changed = ("Set the nvidia runtime's mode",)
    assert apply(lab, TASK, container_toolkit_runtime_mode="cdi").changed == changed
    assert node.run("grep -c 'mode = \"cdi\"' /etc/nvidia-container-runtime/config.toml").stdout == "1\n"
    assert apply(lab, TASK).changed == changed


@pytest.mark.parametrize("version", ["1.20.0-1", "1.18.1-1"])
def test_a_driver_update_28_29(node: Node, lab: Lab, version: str) -> None:
    data: dict[str, Any] = {"container_toolkit_version": version, "allow_downgrade": True}
    assert apply(lab, TASK, **data).rc == 0
    path = THEIRS if version.startswith("1.20") else OURS
    new = f"{int(version[2:4]):016x}"
    node.replace_driver_store(new, "590.10")
    assert new not in node.run(f"cat {path}").stdout
    assert apply(lab, TASK, **data).changed == (SPEC,)
    assert new in node.run(f"cat {path}").stdout
    gone = node.run(f"sed -n 's/.*hostPath: //p' {path} | while read -r p; do test -e $p || echo $p; done").stdout
    assert gone == ""
    settled(lab, **data)
    assert apply(lab, TASK, allow_downgrade=True).rc == 0


def claimed_twice(run: Run, path: str) -> None:
    (error,) = run.errors
    assert error.error_class.value == "platform"
    assert path in error.what


def test_the_kind_claimed_by_another_file_30(node: Node, lab: Lab) -> None:
    node.run(f"mkdir -p /etc/cdi && cp {THEIRS} /etc/cdi/mine.yaml", check=True)
    claimed_twice(apply(lab, TASK), "/etc/cdi/mine.yaml")
    assert node.run("rm /etc/cdi/mine.yaml").ok
    settled(lab)
