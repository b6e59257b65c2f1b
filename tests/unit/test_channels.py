"""How targets are read, and the command lines that they become."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wslgpu.errors import UsageError
from wslgpu.probe.channels import LOCAL, Kind, Target, in_inventory, parse_target
from wslgpu.probe.document import View


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("local", LOCAL),
        ("node1", Target("node1", Kind.SSH, "node1")),
        ("node-1.example.org", Target("node-1.example.org", Kind.SSH, "node-1.example.org")),
        ("ann@10.0.0.5", Target("ann@10.0.0.5", Kind.SSH, "10.0.0.5", "ann")),
        ("ssh://node1", Target("ssh://node1", Kind.SSH, "node1")),
        ("ssh://ann@node1:2222", Target("ssh://ann@node1:2222", Kind.SSH, "node1", "ann", 2222)),
        ("ssh://[2001:db8::1]:22", Target("ssh://[2001:db8::1]:22", Kind.SSH, "2001:db8::1", "", 22)),
        ("wsl://Ubuntu-24.04", Target("wsl://Ubuntu-24.04", Kind.WSL, "Ubuntu-24.04")),
        ("docker://vllm_1", Target("docker://vllm_1", Kind.DOCKER, "vllm_1")),
        ("kubectl://gpu/pod-0", Target("kubectl://gpu/pod-0", Kind.KUBECTL, "gpu/pod-0")),
        ("kubectl://gpu/pod-0/main", Target("kubectl://gpu/pod-0/main", Kind.KUBECTL, "gpu/pod-0/main")),
    ],
)
def test_every_form_is_read(text: str, expected: Target) -> None:
    assert parse_target(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=touch /tmp/x",
        "--help",
        "ssh://-oProxyCommand=x",
        "ssh://ann@-oProxyCommand=x",
        "ssh://-lroot@node1",
        "node1;reboot",
        "node1 reboot",
        "node1\nreboot",
        "$(reboot)",
        "`reboot`",
        "a@b@c",
        "ssh://",
        "ssh://node1:0",
        "ssh://node1:65536",
        "ssh://node1:22:22",
        "ssh://node1/path",
        "ssh://[::1",
        "wsl://",
        "wsl://-e",
        "wsl://Ubuntu 24",
        "docker://",
        "docker://--privileged",
        "docker://a b",
        "kubectl://pod",
        "kubectl://-n/pod",
        "kubectl://gpu/--as=root",
        "kubectl://gpu/pod/main/more",
        "kubectl://gpu/pod/",
        "http://node1",
        "file:///etc/passwd",
        "@local",
        "@docker/debian",
    ],
)
def test_what_could_be_an_option_or_a_shells_word_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_target(text)
    assert "kubectl://" in refused.value.next_step or "port" in refused.value.next_step


@given(st.text(max_size=40), st.sampled_from(["", "ssh://", "wsl://", "docker://", "kubectl://", "kubectl://a/"]))
def test_whatever_is_typed_no_name_becomes_an_option(text: str, scheme: str) -> None:
    try:
        target = parse_target(scheme + text)
    except UsageError:
        return
    words = target.argv()
    for part in filter(None, (target.user, *target.place.split("/"))):
        assert not part.startswith("-")
        assert not set(part) & set(" \t\n;&|<>$`\"'\\(){}*?!#~")
    if target.kind is Kind.SSH:
        assert words[words.index("--") + 1 :] == [target.place, "sh -s"]


def effective(target: Target) -> dict[str, str]:
    """What ssh itself makes of the command line, nothing contacted."""
    words = target.argv()
    shown = subprocess.run([words[0], "-G", *words[1:]], capture_output=True, text=True, check=True).stdout
    return dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)


def test_ssh_checks_host_keys_and_asks_nothing_whatever_the_users_file_says(tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(
        "Host *\n  StrictHostKeyChecking no\n  BatchMode no\n  ControlMaster auto\n  RequestTTY force\n"
        "  ForwardAgent yes\n  ConnectTimeout 900\n  LocalForward 8080 localhost:80\n  User carl\n  Port 9\n"
    )
    target = parse_target("ssh://ann@node1:2222")
    found = effective(Target(target.name, target.kind, target.place, target.user, target.port, config))
    assert found["stricthostkeychecking"] in ("yes", "true")
    assert found["batchmode"] == "yes"
    assert found["controlmaster"] in ("no", "false")
    assert found["requesttty"] in ("no", "false")
    assert found["forwardagent"] == "no"
    assert found["connecttimeout"] == "10"
    assert found["clearallforwardings"] == "yes"
    assert (found["user"], found["hostname"], found["port"]) == ("ann", "node1", "2222")


def test_an_alias_has_what_the_users_file_says(tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text("Host node1\n  HostName 192.0.2.7\n  User carl\n  Port 2022\n")
    found = effective(in_inventory("node1", config))
    assert (found["user"], found["hostname"], found["port"]) == ("carl", "192.0.2.7", "2022")


def test_the_other_channels_start_sh() -> None:
    assert LOCAL.argv() == ["sh", "-s"]
    assert parse_target("wsl://Debian").argv() == ["wsl.exe", "--distribution", "Debian", "--exec", "sh", "-s"]
    assert parse_target("docker://c1").argv() == ["docker", "exec", "--interactive", "c1", "sh", "-s"]
    assert parse_target("kubectl://gpu/p0/main").argv() == [
        *["kubectl", "exec", "--stdin", "--namespace=gpu", "p0", "--container=main", "--", "sh", "-s"]
    ]


def test_what_runs_in_a_container_says_so() -> None:
    views = {text: parse_target(text).view for text in ("local", "node1", "wsl://D", "docker://c", "kubectl://n/p")}
    assert [text for text, view in views.items() if view is View.CONTAINER] == ["docker://c", "kubectl://n/p"]


def test_an_inventorys_hosts(tmp_path: Path) -> None:
    assert in_inventory("@local", tmp_path) == Target("@local", Kind.LOCAL)
    assert in_inventory("node1", tmp_path).argv()[1:3] == ["-F", str(tmp_path)]
    for name in ("@docker/debian", "a b", "-x"):
        with pytest.raises(UsageError):
            in_inventory(name, tmp_path)
