"""/etc/wsl.conf and .wslconfig on real nodes: what is kept, what is changed, what is said to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.raw_pyinfra import OF_THE_MANIFEST, apply
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab
TASK = "tasks.wsl.wsl"
PROFILE = "/mnt/c/Users/lab"
USERS = "# mine\n[user]\ndefault = root  # me\n\n[boot]\nsystemd=false\n"
SET_KEYS = "Set our keys in /etc/wsl.conf"
RENDER = "Render .wslconfig"
WRITE = "Set our keys in .wslconfig on the Windows drive"


@pytest.fixture
def node(lab: Lab) -> Iterator[Node]:
    """The node with a user's own wsl.conf, older than the distro's start."""
    made = lab.node()
    made.put("/etc/wsl.conf", USERS)
    made.run(
        "touch -d 2020-01-01 /etc/wsl.conf; rm -rf /run/wslgpu/wsl.conf.at-start /var/lib/wslgpu/wslconfig;"
        f" rm -f {PROFILE}/.wslconfig*",
        check=True,
    )
    yield made
    made.run("rm -f /etc/wsl.conf /canary", check=True)


def content(node: Node, path: str) -> str:
    return node.run(f"cat '{path}'", check=True).stdout


def test_our_key_is_set_in_place_and_a_second_run_changes_nothing(lab: Lab, node: Node) -> None:
    first = apply(lab, TASK)
    assert (first.rc, first.changed) == (0, (SET_KEYS,)), first.text
    assert content(node, "/etc/wsl.conf") == USERS.replace("=false", "=true")
    assert node.run("stat -c '%a %U:%G' /etc/wsl.conf").stdout == "644 root:root\n"
    second = apply(lab, TASK)
    assert (second.rc, second.changed, len(second.unchanged)) == (0, (), 6), second.text


def test_what_waits_is_said_at_every_run_until_it_is_true(lab: Lab, node: Node) -> None:
    data = {"boot": {"systemd": True}, "user": {"default": "nobody"}, "network": {"hostname": "other"}}
    for _ in range(2):
        run = apply(lab, TASK, wsl_conf=data)
        assert run.rc == 0, run.text
        assert "[user] default=nobody waits: the distro began with root" in run.text
        assert "[network] hostname=other waits: the host name is node1" in run.text
        assert "[boot] systemd" not in run.text
    node.reboot()
    run = apply(lab, TASK, wsl_conf=data)
    assert "[user] default" not in run.text
    # the lab's stand-in does not read wsl.conf, so that its host name goes on contradicting
    assert "[network] hostname=other waits" in run.text


def test_broken_files_are_judged_by_line_and_mended_where_they_are_ours(lab: Lab, node: Node) -> None:
    node.put("/etc/wsl.conf", "\ufeff[boot]\r\nsystmd=true\r\n[boot]\r\n")  # row 51
    node.put(f"{PROFILE}/.wslconfig", "[ws12]\nnetworkingMode-bridged\n")  # row 52
    run = apply(lab, TASK)
    assert "/etc/wsl.conf:2: systmd is not a key of [boot] in /etc/wsl.conf; did you mean systemd?" in run.text
    assert f"{PROFILE}/.wslconfig:1: [ws12] is not a section of .wslconfig; did you mean [wsl2]?" in run.text
    assert f"{PROFILE}/.wslconfig:2: 'networkingMode-bridged' has no '='" in run.text
    assert "did you mean networkingMode=bridged?" in run.text
    assert node.run("cat /etc/wsl.conf", check=True).stdout.splitlines() == [
        "[boot]",
        "systmd=true",
        "systemd=true",
        "[boot]",
    ]
    assert content(node, f"{PROFILE}/.wslconfig") == "[ws12]\nnetworkingMode-bridged\n"


def test_a_link_is_replaced_and_its_target_left_alone(lab: Lab, node: Node) -> None:
    node.put("/canary", USERS)  # row 42
    node.run("ln -sf /canary /etc/wsl.conf", check=True)
    run = apply(lab, TASK)
    assert run.changed == (SET_KEYS,)
    assert content(node, "/canary") == USERS
    assert node.run("stat -c %F /etc/wsl.conf").stdout == "regular file\n"


def test_windows_file_is_rendered_and_not_written_unless_asked_for(lab: Lab, node: Node) -> None:
    node.put(f"{PROFILE}/.wslconfig", "# theirs\n[wsl2]\nmemory=8GB\n")
    data = {"wsl2": {"swap": 0, "networkingMode": "nat"}}
    run = apply(lab, TASK, wslconfig=data)
    assert RENDER in run.changed, run.text
    rendered = content(node, "/var/lib/wslgpu/wslconfig")
    assert rendered.endswith("# theirs\n[wsl2]\nmemory=8GB\nswap=0\nnetworkingMode=nat\n")
    assert "wsl.exe --shutdown" in rendered
    assert content(node, f"{PROFILE}/.wslconfig") == "# theirs\n[wsl2]\nmemory=8GB\n"
    assert f"{PROFILE}/.wslconfig lacks keys that the data asks for" in run.text
    assert apply(lab, TASK, wslconfig=data).changed == ()

    written = apply(lab, TASK, wslconfig=data, wslconfig_write=True)
    assert WRITE in written.changed, written.text
    assert "+swap=0" in written.text
    assert content(node, f"{PROFILE}/.wslconfig") == "# theirs\n[wsl2]\nmemory=8GB\nswap=0\nnetworkingMode=nat\n"
    backups = node.run(f"ls -A {PROFILE}").stdout.split()
    assert len(backups) == 2
    assert content(node, f"{PROFILE}/{backups[1]}") == "# theirs\n[wsl2]\nmemory=8GB\n"
    assert apply(lab, TASK, wslconfig=data, wslconfig_write=True).changed == ()

    gone = apply(lab, TASK)
    assert gone.changed == (RENDER,)
    assert not node.run("test -e /var/lib/wslgpu/wslconfig").ok


def test_with_two_windows_users_one_must_be_named(lab: Lab, node: Node) -> None:
    other = "/mnt/c/Users/Ann Other"
    node.run(f"mkdir -p '{other}' /mnt/c/Users/Public", check=True)
    try:
        refused = apply(lab, TASK, wslconfig={"wsl2": {"swap": 0}}, wslconfig_write=True)
        assert refused.rc == 1
        assert [(error.error_class.value, error.next_step[:36]) for error in refused.errors] == [
            ("usage", "Name one as wslconfig_windows_user, ")
        ]
        named = apply(
            lab, TASK, wslconfig={"wsl2": {"swap": 0}}, wslconfig_write=True, wslconfig_windows_user="Ann Other"
        )
        assert named.rc == 0, named.text
        assert content(node, f"{other}/.wslconfig") == "[wsl2]\r\nswap=0\r\n"
    finally:
        node.run(f"rm -rf '{other}'", check=True)


def test_a_run_that_is_killed_before_the_rename_leaves_the_old_files_whole(lab: Lab, node: Node) -> None:
    theirs = "[wsl2]\nmemory=8GB\n"  # row 35
    node.put(f"{PROFILE}/.wslconfig", theirs)
    data: dict[str, Any] = {"wslconfig": {"wsl2": {"swap": 0}}, "wslconfig_write": True}
    node.put("/usr/local/sbin/mv", "#!/bin/sh\nkill -9 $PPID\n", 0o755)
    # the record of what the distro began with is written first, by a rename as well
    node.put("/run/wslgpu/wsl.conf.at-start", USERS)
    assert apply(lab, TASK, **data).rc == 1
    assert content(node, "/etc/wsl.conf") == USERS
    node.put("/etc/wsl.conf", USERS.replace("=false", "=true"))
    node.put("/var/lib/wslgpu/wslconfig", "old")
    assert apply(lab, TASK, **data).rc == 1
    assert content(node, "/var/lib/wslgpu/wslconfig") == "old"
    assert content(node, f"{PROFILE}/.wslconfig") == theirs

    node.put("/etc/wsl.conf", USERS)
    node.run("rm /usr/local/sbin/mv", check=True)
    run = apply(lab, TASK, **data)
    assert (run.rc, set(run.changed)) == (0, {SET_KEYS, RENDER, WRITE}), run.text
    assert node.run(f"find /etc /var/lib/wslgpu {PROFILE} -name '.*wslgpu-*' -not -name '*.bak'").stdout == ""
    assert apply(lab, TASK, **data).changed == ()


def test_not_on_a_machine_that_is_no_wsl(new_lab: Callable[..., Lab]) -> None:
    lab = new_lab(persona="plain-linux", servers=False)
    run = apply(lab, TASK, wslconfig={"wsl2": {"swap": 0}})
    assert (run.rc, run.changed) == (0, OF_THE_MANIFEST), run.text
    assert not lab.node().run("test -e /etc/wsl.conf").ok
