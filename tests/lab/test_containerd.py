"""containerd on real nodes: its configuration taken up, refused or put back, and what runs going on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.raw_pyinfra import apply
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab

TASK = "tasks.containerd.containerd"
CONFIGURE = "Configure containerd and keep it running"
CONFIG = "/etc/containerd/config.toml"
PID = "systemctl show containerd --property=MainPID --value"


def dump(node: Node) -> str:
    return node.run("containerd config dump", check=True).stdout


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    run = apply(lab, TASK)
    assert run.rc == 0, run.text
    assert CONFIGURE in run.changed
    return lab.node()


@pytest.fixture
def settled(node: Node, lab: Lab) -> Iterator[Node]:
    yield node
    assert apply(lab, TASK).rc == 0


def test_a_second_apply_changes_nothing(node: Node, lab: Lab) -> None:
    pid = node.run(PID).stdout
    assert apply(lab, TASK).changed == ()
    assert node.run(PID).stdout == pid


def test_what_containerd_makes_of_it(node: Node) -> None:
    text = dump(node)
    assert "SystemdCgroup = true" in text
    assert "enable_cdi = true" in text
    assert 'config_path = "/etc/containerd/certs.d"' in text
    assert node.run("ctr plugins ls | awk '$2 == \"cri\" {print $NF}'").stdout == "ok\n"


def test_the_packages_own_file_is_kept(node: Node) -> None:
    assert "SystemdCgroup" not in node.run(f"cat {CONFIG}.wslgpu-before", check=True).stdout


def test_a_key_of_the_users_stays(settled: Node, lab: Lab) -> None:
    settled.run(
        f"sed -i '1i oom_score = -7 # mine' {CONFIG}; sed -i 's/SystemdCgroup = true/SystemdCgroup = false/' {CONFIG}"
    )
    assert apply(lab, TASK).changed == (CONFIGURE,)
    assert "oom_score = -7 # mine" in settled.run(f"cat {CONFIG}").stdout
    assert "SystemdCgroup = true" in dump(settled)


def test_a_running_container_survives_31(settled: Node, lab: Lab) -> None:
    """A container of real files: the node's own."""
    settled.run(
        "mkdir -p /root/box/proc && cp -a --parents /usr/bin/sleep /bin /lib /lib64 /usr/lib/x86_64-linux-gnu/libc.so.6"
        " /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /usr/lib64 /root/box/"
        " && ctr run --detach --cpu-shares 0 --rootfs /root/box survivor /usr/bin/sleep 600",
        check=True,
    )
    container = settled.run("ctr tasks ls | awk '$1 == \"survivor\" {print $2}'").stdout
    pid = settled.run(PID).stdout
    run = apply(lab, TASK, containerd_systemd_cgroup=False)
    assert run.changed == (CONFIGURE,), run.text
    assert settled.run(PID).stdout != pid
    after = settled.run("ctr tasks ls | awk '$1 == \"survivor\" {print $2, $3}'").stdout
    assert after == f"{container.strip()} RUNNING\n"
    settled.run("ctr tasks kill --signal 9 survivor; sleep 1; ctr containers rm survivor")


def test_a_configuration_that_containerd_refuses_is_never_in_force_32(settled: Node, lab: Lab) -> None:
    before, pid = settled.run(f"cat {CONFIG}").stdout, settled.run(PID).stdout
    settled.put("/etc/containerd/conf.d/20-mine.toml", "version = 9\n")
    run = apply(lab, TASK, containerd_systemd_cgroup=False)
    settled.run("rm /etc/containerd/conf.d/20-mine.toml")
    (error,) = run.errors
    assert error.error_class.value == "platform"
    assert "refuses the new configuration" in error.what
    assert settled.run(f"cat {CONFIG}").stdout == before
    assert settled.run(PID).stdout == pid
    assert not settled.run("ls -A /etc/containerd | grep wslgpu-stage").ok


def test_a_configuration_that_does_not_come_up_is_taken_back_32(settled: Node, lab: Lab) -> None:
    """It parses, so that only starting shows what is wrong with it: here, a plugin that nobody has."""
    before = settled.run(f"cat {CONFIG}").stdout
    settled.put("/etc/containerd/conf.d/99-nvidia.toml", "version = 2\n")
    settled.put(
        "/usr/local/bin/nvidia-ctk",
        "#!/bin/sh\nfor a; do case $a in --drop-in-config=*) f=${a#*=} ;; esac; done\n"
        "mkdir -p ${f%/*}\nprintf 'version = 2\\nrequired_plugins = [\"io.containerd.none.v1.none\"]\\n' >$f\n",
        0o755,
    )
    run = apply(lab, TASK, containerd_systemd_cgroup=False)
    settled.run("rm /usr/local/bin/nvidia-ctk")
    (error,) = run.errors
    assert "previous one is in force again" in error.what, error
    assert "io.containerd.none.v1.none" in error.what, error
    assert settled.run(f"cat {CONFIG}").stdout == before
    assert settled.run("cat /etc/containerd/conf.d/99-nvidia.toml").stdout == "version = 2\n"
    assert settled.run("ctr version").ok
    settled.run("rm /etc/containerd/conf.d/99-nvidia.toml; systemctl restart containerd")


def test_a_change_without_a_restart_is_taken_up(settled: Node, lab: Lab) -> None:
    pid = settled.run(PID).stdout
    settled.run(f"sleep 1.1; touch {CONFIG}")
    assert apply(lab, TASK).changed == (CONFIGURE,)
    assert settled.run(PID).stdout != pid


def test_a_stopped_and_disabled_service_comes_back(settled: Node, lab: Lab) -> None:
    settled.run("systemctl disable --now containerd", check=True)
    assert apply(lab, TASK).changed == (CONFIGURE,)
    assert settled.run("systemctl is-enabled containerd; systemctl is-active containerd").stdout == "enabled\nactive\n"


def test_mirrors_come_and_go(settled: Node, lab: Lab) -> None:
    path = "/etc/containerd/certs.d/quay.io/hosts.toml"
    mirror = {"registry": "quay.io", "url": "https://m.invalid"}
    assert apply(lab, TASK, containerd_mirrors=[mirror]).changed == ("Name the registries' mirrors",)
    assert 'capabilities = ["pull"]' in settled.run(f"cat {path}").stdout
    assert apply(lab, TASK, containerd_mirrors=[]).changed == ("Name the registries' mirrors",)
    assert not settled.run(f"test -e {path}").ok


def test_dockers_package_is_never_swapped_50(lab: Lab, node: Node) -> None:
    run = apply(lab, TASK, containerd_package="containerd.io")
    (error,) = run.errors
    assert error.error_class.value == "platform"
    assert "containerd 1.7" in error.what
    assert run.changed == ()


def test_debian_12_has_no_cdi(lab_factory: LabFactory) -> None:
    lab = lab_factory(base="bookworm", servers=False)
    run = apply(lab, TASK, containerd_mirrors=[])
    assert run.rc == 0, run.text
    text = dump(lab.node())
    assert "SystemdCgroup = true" in text
    assert "cdi" not in lab.node().run(f"cat {CONFIG}").stdout
    assert 'bin_dir = "/usr/lib/cni"' in text
    assert apply(lab, TASK, containerd_mirrors=[]).changed == ()
