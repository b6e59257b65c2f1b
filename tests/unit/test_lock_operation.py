"""What the package operation asks of a node under a lock, from what the node has."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.context import ctx_host

from tests.unit import lock_samples
from wslgpu.facts import bound
from wslgpu.facts.apt import AptPackages, Distribution, PackageState
from wslgpu.lock.load import digest_of
from wslgpu.lock.text import lock_text
from wslgpu.operations import apt
from wslgpu.settings import load


class Node:
    """A node by what it answers; ``ran`` is the words of each script that it was to run, without the text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lock: Path) -> None:
        self.distribution = "debian 13"
        self.states: dict[str, PackageState] = {}
        self.noops: list[str] = []
        self.host = SimpleNamespace(
            data={"lock_file": str(lock), "lock_digest": digest_of(lock)}, noop=self.noops.append
        )
        monkeypatch.setattr(bound, "read", self.read)
        monkeypatch.setattr(bound, "forget", lambda: None)

    def read(self, fact: type[Any], **arguments: Any) -> Any:
        if fact is Distribution:
            return self.distribution
        assert fact is AptPackages
        return {name: state for name, state in self.states.items() if name in arguments["names"]}

    def run(self, *names: str, **options: Any) -> list[list[str]]:
        with ctx_host.use(self.host):
            commands: Iterator[Any] = apt.packages._inner(names=names, **options)
            return [shlex.split(str(command))[3:] for command in commands]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    site = tmp_path / "site.yml"
    site.write_text("")
    file = tmp_path / "lock.yml"
    file.write_text(lock_text(lock_samples.lock(load(site))))
    return Node(monkeypatch, file)


ROWS = lock_samples.packages()
CONTAINERD = f"containerd=1.7.24@{ROWS['containerd'].sha256}"
RUNC = f"runc=1.1.15@{ROWS['runc'].sha256}@auto"
LIBC = f"libc6=2.41@{ROWS['libc6'].sha256}@base"


def test_the_package_and_what_it_needs_are_asked_for_at_the_locks_versions(node: Node) -> None:
    assert node.run("containerd", versions=(("containerd", "9"),)) == [
        ["wslgpu-apt_packages", "120", "300", "no", "no", CONTAINERD, RUNC, LIBC]
    ]


def test_what_is_there_as_locked_is_left_alone(node: Node) -> None:
    node.states = {
        "containerd": PackageState("1.7.24", "installed", "ours"),
        "runc": PackageState("1.1.15", "installed", "foreign"),
    }
    assert node.run("containerd", hold=True) == []
    assert node.noops == ["installed as locked and held: containerd"]


@pytest.mark.parametrize(
    "runc",
    [
        PackageState("1.1.14", "installed", ""),
        PackageState("1.1.15", "half-configured", ""),
        PackageState("1.1.15", "installed", "", unmarked=True),
    ],
    ids=["other version", "broken", "not marked"],
)
def test_a_dependency_that_is_not_as_locked_is_a_change(node: Node, runc: PackageState) -> None:
    node.states = {"containerd": PackageState("1.7.24", "installed", ""), "runc": runc}
    assert [words[-3:] for words in node.run("containerd")] == [[CONTAINERD, RUNC, LIBC]]


def test_a_package_or_distribution_that_the_lock_has_not_is_refused(node: Node) -> None:
    (words,) = node.run("containerd.io")
    assert words[:2] == ["wslgpu-fail", "usage"]
    assert words[2] == "the lock has no package containerd.io for debian 13"
    node.distribution = "ubuntu 24.04"
    (words,) = node.run("containerd")
    assert words[2] == "the lock has no ubuntu 24.04; it has debian 13"
