"""What of /etc/wsl.conf waits for a restart of the distro."""

from dataclasses import replace

import pytest

from wslgpu.wsl_waiting import Running, waiting

RUNNING = Running(
    systemd=True,
    hostname="node1",
    cgroup="cgroup2fs",
    interop=True,
    drives=("/mnt/c",),
    at_start=None,
    changed_since_start=False,
)


@pytest.mark.parametrize(
    ("conf", "running", "expected"),
    [
        ("[boot]\nsystemd=true\n", RUNNING, []),
        (
            "[boot]\nsystemd=true\n",
            replace(RUNNING, systemd=False),
            ["[boot] systemd=true waits: systemd is not running"],
        ),
        (
            "[boot]\nsystemd=0\n[network]\nhostname=other\n",
            RUNNING,
            ["[boot] systemd=0 waits: systemd is running", "[network] hostname=other waits: the host name is node1"],
        ),
        ("[automount]\ncgroups=v1\n", RUNNING, ["[automount] cgroups=v1 waits: cgroup v2 is mounted"]),
        (
            "[automount]\nroot=/win/\n",
            RUNNING,
            ["[automount] root=/win/ waits: a Windows drive is mounted at /mnt/c"],
        ),
        ("[automount]\nroot=/mnt\nenabled=true\n", RUNNING, []),
        (
            "[automount]\nenabled=false\n",
            RUNNING,
            ["[automount] enabled=false waits: a Windows drive is mounted at /mnt/c"],
        ),
        ("[interop]\nenabled=false\n", RUNNING, ["[interop] enabled=false waits: interop is on"]),
        ("[interop]\nenabled=false\n", replace(RUNNING, interop=False), []),
    ],
)
def test_what_can_be_seen(conf: str, running: Running, expected: list[str]) -> None:
    assert waiting(conf, running) == expected


def test_what_cannot_be_seen_is_held_against_the_file_that_the_distro_began_with() -> None:
    running = replace(RUNNING, at_start="[user]\ndefault=me\n[gpu]\nenabled=true\n", changed_since_start=True)
    assert waiting("[user]\ndefault=you\n[boot]\nsystemd=true\ncommand=x\n", running) == [
        "[boot] command=x waits: the distro began with no such key",
        "[gpu] enabled (removed) waits: the distro began with true",
        "[user] default=you waits: the distro began with me",
    ]
    assert waiting("[user]\ndefault=me\n[gpu]\nenabled=true\n", running) == []


def test_where_that_file_is_not_known_its_time_tells() -> None:
    conf = "[user]\ndefault=me\n"
    assert waiting(conf, RUNNING) == []
    assert waiting(conf, replace(RUNNING, changed_since_start=True)) == [
        "/etc/wsl.conf is newer than the running distro: [user] default may wait"
    ]
