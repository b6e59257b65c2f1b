"""``make node`` as a person types it inside a WSL2 distro: an ordinary user with sudo, no ssh, this machine."""

from __future__ import annotations

import subprocess

import pytest

from tests.lab.support.project import archive
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab
USER = "lab"


@pytest.fixture(scope="module")
def cloned(lab: Lab) -> Node:
    """A node where the user has the project, and the site file that names this lab's repository and registry."""
    node = lab.node()
    node.run(
        "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends make git",
        timeout=180,
        check=True,
    )
    subprocess.run(
        node.ssh_argv("mkdir -p wslgpu && tar --extract --directory wslgpu", user=USER), input=archive(), check=True
    )
    site = lab.site_file.read_bytes()
    subprocess.run(node.ssh_argv("cat >wslgpu/site.yml", user=USER), input=site, check=True)
    return node


def test_a_user_with_sudo_gets_a_proven_node(cloned: Node) -> None:
    done = cloned.run("cd wslgpu && make node", user=USER, timeout=400)
    assert done.rc == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "will be fetched" in done.stderr
    assert "@local: changed" in done.stdout
    assert "wsl --shutdown" in done.stdout
    assert "[lab, stand-in driver]" in done.stdout
    assert cloned.run("apt-mark showhold").stdout.split() == [
        "libnvidia-container-tools",
        "libnvidia-container1",
        "nvidia-container-toolkit",
        "nvidia-container-toolkit-base",
    ]


def test_a_second_time_changes_nothing_and_pyinfras_own_commands_agree(cloned: Node) -> None:
    again = cloned.run("cd wslgpu && .venv/bin/wslgpu apply local", user=USER, timeout=120)
    assert again.rc == 0, again.stderr
    assert "@local: nothing to change" in again.stdout
    raw = "cd wslgpu && .venv/bin/pyinfra --json -y inventory/local.py"
    for operations in ("deploy.py", "tasks.containerd.containerd --sudo"):
        done = cloned.run(f"{raw} {operations}", user=USER, timeout=120)
        assert done.rc == 0, done.stderr
        assert '"success": 0, "error": 0' in done.stdout


def test_without_a_terminal_a_password_is_not_waited_for_60(cloned: Node) -> None:
    cloned.run("mv /etc/sudoers.d/lab /root/sudoers.lab", check=True)
    try:
        done = cloned.run("cd wslgpu && .venv/bin/wslgpu apply local --json", user=USER, timeout=60)
    finally:
        cloned.run("mv /root/sudoers.lab /etc/sudoers.d/lab", check=True)
    assert done.rc == 2
    assert "sudo asks for a password and there is no terminal" in done.stderr
    assert '"class": "usage"' in done.stdout
