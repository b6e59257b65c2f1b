"""How verify reaches hosts: its ssh_config, and what the first answer means."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wslgpu.errors import UsageError, WslgpuError
from wslgpu.inventory import ResolvedHost
from wslgpu.verify.command import limited
from wslgpu.verify.connection import NotReached, Reached, connections, parse_probe, ssh_config

DATA = {
    "ssh_hostname": "10.0.0.5",
    "ssh_user": "root",
    "ssh_port": 2222,
    "ssh_key": "/keys/of the lab/id",
    "ssh_known_hosts_file": "/keys/100%/known_hosts",
}
HOST = ResolvedHost("node1", "10.0.0.5", ("gpu_nodes",), DATA)
LOCAL = ResolvedHost("@local", "@local", ("gpu_nodes",), {})


def effective(config: str, tmp_path: Path, name: str = "node1") -> dict[str, str]:
    """What ssh itself makes of a configuration."""
    file = tmp_path / "ssh_config"
    file.write_text(config)
    done = subprocess.run(["ssh", "-G", "-F", str(file), name], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_ssh_reads_what_the_inventory_says(tmp_path: Path) -> None:
    found = effective(ssh_config([HOST, LOCAL], tmp_path), tmp_path)
    assert (found["hostname"], found["user"], found["port"]) == ("10.0.0.5", "root", "2222")
    assert found["identityfile"].strip('"') == "/keys/of the lab/id"
    assert found["userknownhostsfile"].strip('"').replace("%%", "%") == "/keys/100%/known_hosts"


def test_host_keys_are_always_checked_and_nothing_is_asked(tmp_path: Path) -> None:
    found = effective(ssh_config([HOST], tmp_path), tmp_path)
    assert found["stricthostkeychecking"] in ("yes", "true")
    assert found["batchmode"] == "yes"


def test_one_login_serves_all_checks(tmp_path: Path) -> None:
    found = effective(ssh_config([HOST], tmp_path), tmp_path)
    assert found["controlmaster"] == "auto"
    assert found["controlpath"].startswith(str(tmp_path))


@pytest.mark.parametrize("name", ["a b", "*", "a\nProxyCommand x", "-oProxyCommand=x"])
def test_a_name_cannot_change_the_configuration(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        ssh_config([ResolvedHost(name, "10.0.0.5", (), DATA)], tmp_path)


@pytest.mark.parametrize("key", ["ssh_user", "ssh_key", "ssh_known_hosts_file"])
def test_a_value_cannot_change_the_configuration(tmp_path: Path, key: str) -> None:
    with pytest.raises(WslgpuError):
        ssh_config([ResolvedHost("a", "10.0.0.5", (), {**DATA, key: 'x"\n  ProxyCommand y'})], tmp_path)


def test_the_private_directory_is_private_and_goes() -> None:
    with connections([HOST, LOCAL]) as made:
        place = made.directory
        assert place.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}
        assert "10.0.0.5" in made.inventory.read_text()
    assert not place.exists()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("0 root real wslgpu-probe-end", Reached(needs_sudo=False, lab=False)),
        ("1000 root lab wslgpu-probe-end", Reached(needs_sudo=True, lab=True)),
        ("a message of the day\n0\nroot\nlab\nwslgpu-probe-end\n", Reached(needs_sudo=False, lab=True)),
    ],
)
def test_an_answer_is_read(output: str, expected: Reached) -> None:
    assert parse_probe(output, "", "10.0.0.5") == expected


@pytest.mark.parametrize(
    ("output", "errors", "word", "retryable"),
    [
        ("1000 no-root real wslgpu-probe-end", "", "sudo", False),
        ("", "Host key verification failed.\n", "host key", False),
        ("", "root@10.0.0.5: Permission denied (publickey).\n", "refused the login", False),
        ("", "ssh: connect to host 10.0.0.5 port 22: No route to host\n", "No route to host", True),
        ("", "", "no answer", True),
        ("1000 root", "", "no answer", True),
    ],
)
def test_no_answer_says_why(output: str, errors: str, word: str, retryable: bool) -> None:
    found = parse_probe(output, errors, "10.0.0.5")
    assert isinstance(found, NotReached)
    assert word in found.reason
    assert found.retryable is retryable


def test_limits_name_hosts_patterns_and_groups() -> None:
    hosts = [HOST, ResolvedHost("node2", "10.0.0.6", ("build_nodes",), {})]
    assert [host.name for host in limited(hosts, [])] == ["node1", "node2"]
    assert [host.name for host in limited(hosts, ["node2"])] == ["node2"]
    assert [host.name for host in limited(hosts, ["gpu_nodes"])] == ["node1"]
    assert [host.name for host in limited(hosts, ["n*"])] == ["node1", "node2"]


@pytest.mark.parametrize(("hosts", "limit"), [([HOST], ["typo"]), ([HOST], ["node1", "typo"]), ([], [])])
def test_nothing_to_verify_is_an_error(hosts: list[ResolvedHost], limit: list[str]) -> None:
    with pytest.raises(UsageError):
        limited(hosts, limit)
