"""The lab's parts that need no root: names, networks, state on disk, faults, images, limits."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from wslgpu.lab import LabError, faults, host, image, network, persona, registry, root, state, sysctl
from wslgpu.lab.cli import lab as lab_command
from wslgpu.lab.faults import Fault, Faults
from wslgpu.lab.state import LabState, NodeState
from wslgpu.programs import ProcessId


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSLGPU_LAB_DIR", str(tmp_path / "labs"))
    monkeypatch.setenv("WSLGPU_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def lab_state(places: Path, name: str = "one") -> LabState:
    directory = places / "labs" / name
    directory.mkdir(parents=True, exist_ok=True)
    return LabState(
        name=name,
        ident="0a1b2",
        directory=directory,
        base="trixie",
        persona="wsl2",
        cgroup="v2",
        kind="node",
        bridge="wl-0a1b2",
        subnet="10.201.0.0/24",
        gateway="10.201.0.1",
        nodes=(NodeState("node1", "0a1b2-node1", "10.201.0.11"),),
        owner=ProcessId.of(os.getpid()),
    )


def networks(*texts: str) -> list[ipaddress.IPv4Network]:
    return [ipaddress.IPv4Network(text) for text in texts]


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], "10.201.0.0/24"),
        (["10.201.0.0/24"], "10.202.0.0/24"),
        (["10.202.0.0/24"], "10.201.0.0/24"),
        (["10.200.0.0/14"], "10.204.0.0/24"),
        (["192.168.0.0/16", "10.201.0.128/25"], "10.202.0.0/24"),
    ],
)
def test_first_free_network(taken: list[str], expected: str) -> None:
    assert str(network.pick_subnet(networks(*taken))) == expected


def test_no_free_network() -> None:
    with pytest.raises(LabError, match="is in use"):
        network.pick_subnet(networks("10.0.0.0/8"))


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "Über", "a" * 41, "a b", ".lock"])
def test_names_that_could_leave_the_directory_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="cannot name a lab") as caught:
        state.check_name(name)
    assert caught.value.exit_code == 2


def test_scenarios_are_listed_with_what_they_imitate() -> None:
    found = {
        row["name"]: row["imitates"]
        for row in json.loads(CliRunner().invoke(lab_command, ["drivers", "--json"]).output)
    }
    assert found["one-gpu"] == "a healthy WSL2 node"
    # what no persona can have is not offered
    assert "bare-metal" not in found
    refused = CliRunner().invoke(lab_command, ["up", "--driver", "one-gpus"])
    assert (refused.exit_code, "Did you mean one-gpu" in refused.output) == (2, True), refused.output


def test_state_survives_the_disk(places: Path) -> None:
    saved = lab_state(places).with_process("http", ProcessId(1, 2))
    saved.save()
    assert state.load("one") == saved
    assert state.names() == ["one"]
    assert [path.name for path in saved.directory.iterdir()] == ["lab.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 99}', '{"schema": 1, "name": "one"}'])
def test_broken_state_is_one_clear_error(places: Path, text: str) -> None:
    lab_state(places)
    (places / "labs/one/lab.json").write_text(text)
    with pytest.raises(LabError, match=r"lab\.json cannot be read"):
        state.load("one")


def test_interface_names_fit_the_kernel(places: Path) -> None:
    node = replace(lab_state(places).nodes[0], machine="0a1b2-node50")
    assert len(node.interface) <= 15


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = ProcessId.of(child.pid)
        assert identity is not None
        assert identity.alive
        assert not replace(identity, started=identity.started + 1).alive
        child.kill()
    assert not identity.alive
    assert ProcessId.of(child.pid) is None


def test_lock_outlives_the_deletion_of_its_file(places: Path) -> None:
    """Two that wait while the holder deletes the file must not both get in."""
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(50):
            with state.lab_lock("gone"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 200
    assert max(most) == 1
    assert list((places / "labs").iterdir()) == []


def test_longest_prefix_decides() -> None:
    rules = {"/": Fault(status=500), "/v2/": Fault(status=503), "/v2/x/": Fault(drop=True)}
    assert faults.match(rules, "/v2/x/y") == "/v2/x/"
    assert faults.match(rules, "/v2/y") == "/v2/"
    assert faults.match(rules, "/z") == "/"
    assert faults.match({"/v2/": Fault()}, "/z") is None


def test_faults_are_written_and_cleared(tmp_path: Path) -> None:
    switches = Faults(tmp_path)
    switches.set("/a", Fault(status=429, retry_after=3))
    switches.set("/b", Fault(truncate_at=0.5))
    assert faults.read(tmp_path) == {"/a": Fault(status=429, retry_after=3), "/b": Fault(truncate_at=0.5)}
    switches.clear()
    assert faults.read(tmp_path) == {}


STATUS = """\
Package: a
Pre-Depends: b (>= 2) | z
Depends: c:any, d

Package: b
Description: has
 Depends: e

Package: c
Depends: a, perl-base

Package: e

Package: perl-base
"""


def test_closure_of_dependencies() -> None:
    assert image.closure(STATUS, ["a"]) == {"a", "b", "c"}
    assert image.closure(STATUS, ["b"]) == {"b"}


def test_registry_layout_holds_an_image_by_tag_and_digest(tmp_path: Path) -> None:
    layers = (image.Layer(b"x"), image.layer({"etc/a": b"1"}, {"bin/b": b"2"}))
    first = image.assemble("docker.io/nvidia/cuda", "t", layers, {"Cmd": ["sh"]})
    assert first == image.assemble("docker.io/nvidia/cuda", "t", layers, {"Cmd": ["sh"]})
    assert first.index.digest != image.assemble("docker.io/nvidia/cuda", "t", layers, {"Cmd": ["b"]}).index.digest
    registry.store(tmp_path, "nvidia/cuda", first)
    base = tmp_path / "docker/registry/v2"
    current = (base / "repositories/nvidia/cuda/_manifests/tags/t/current/link").read_text()
    assert current == first.index.digest
    digest = current.removeprefix("sha256:")
    index = json.loads((base / "blobs/sha256" / digest[:2] / digest / "data").read_bytes())
    manifest = index["manifests"][0]["digest"].removeprefix("sha256:")
    layers = json.loads((base / "blobs/sha256" / manifest[:2] / manifest / "data").read_bytes())["layers"]
    assert [layer["digest"] for layer in layers] == [blob.digest for blob in first.contents[1:]]


def test_root_is_kept_for_a_week(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = root.RootSpec("trixie")
    assert root.newest(spec) is None
    folder = places / "cache/lab/roots"
    (folder / f".{spec.prefix}new-7").mkdir(parents=True)
    assert root.newest(spec) is None, "one that is being made is not whole"
    (folder / f"{spec.prefix}1000000000").mkdir()
    assert root.newest(spec, now=1000000000 + root.MAX_AGE_S - 1) == folder / f"{spec.prefix}1000000000"
    assert root.newest(spec, now=1000000000 + root.MAX_AGE_S) is None
    assert spec.key() != root.RootSpec("bookworm").key()
    assert spec.key() != root.RootSpec("trixie", "fresh").key()


def test_limits_are_raised_and_put_back(places: Path) -> None:
    proc = places / "proc"
    forward, instances = proc / "net/ipv4/ip_forward", proc / "fs/inotify/max_user_instances"
    for path, value in ((forward, "0\n"), (instances, "9999\n")):
        path.parent.mkdir(parents=True)
        path.write_text(value)
    (places / "labs").mkdir()
    sysctl.raise_limits(proc)
    sysctl.raise_limits(proc)
    assert (forward.read_text(), instances.read_text()) == ("1", "9999\n")
    sysctl.restore(proc)
    assert (forward.read_text(), instances.read_text()) == ("0\n", "9999\n")
    forward.write_text("1\n")
    sysctl.restore(proc)
    assert forward.read_text() == "1\n", "what another set stays"


def test_every_persona_says_what_it_imitates() -> None:
    assert set(persona.PERSONAS) == {
        "wsl2",
        "wsl2-two-gpus",
        "wsl2-hybrid-gpu",
        "wsl1",
        "no-gpu",
        "linux-driver-installed",
        "plain-linux",
        "ubuntu-24.04",
    }
    assert persona.find("plain-linux").stand_ins == ()
    assert persona.DRIVER_STAND_IN in persona.find("wsl2").stand_ins
    assert persona.find("ubuntu-24.04").missing
    with pytest.raises(LabError, match="no persona 'wsl3'"):
        persona.find("wsl3")


def test_programs_the_host_needs_come_from_named_packages() -> None:
    assert all(package and " " not in package for package in host.PROGRAMS.values())


def test_list_without_labs(places: Path) -> None:
    done = CliRunner().invoke(lab_command, ["list", "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])


def test_list_shows_a_broken_lab(places: Path) -> None:
    lab_state(places)
    done = CliRunner().invoke(lab_command, ["list", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)[0]["healthy"] is False


@pytest.mark.parametrize("words", [["up", "--persona", "wsl3"], ["up", "--base", "sid"], ["up", "--nodes", "0"]])
def test_wrong_usage_ends_2(places: Path, words: list[str]) -> None:
    assert CliRunner().invoke(lab_command, words).exit_code == 2
    assert not (places / "labs").exists()
