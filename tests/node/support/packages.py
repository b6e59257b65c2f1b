"""What dpkg and apt say of packages."""

from __future__ import annotations

from tests.node.support.node import Node


def installed_version(node: Node, package: str) -> str:
    """The version of a package that is wholly installed; empty when it is not."""
    answer = node.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package)
    status, _, version = answer.out.strip().partition(" ")
    return version if status == "installed" else ""


def is_held(node: Node, package: str) -> bool:
    """Whether apt leaves the package at its version."""
    answer = node.kept("apt-mark", "showhold")
    assert answer.ok, f"apt-mark does not answer: {answer}"
    return package in answer.words


def changed_files(node: Node, package: str) -> list[str]:
    """A package's files whose content is not what was packaged, or that are missing."""
    answer = node.run("dpkg", "--verify", package, timeout_s=60)
    assert answer.rc in (0, 1), f"dpkg cannot check {package}: {answer}"
    return [line.split()[-1] for line in answer.lines]


def diversions(node: Node, package: str) -> list[str]:
    """Files of a package that somebody put aside with dpkg-divert."""
    owned = set(node.run("dpkg", "-L", package).lines)
    answer = node.kept("dpkg-divert", "--list")
    assert answer.ok, f"dpkg-divert does not answer: {answer}"
    return [line for line in answer.lines if any(word in owned for word in line.split())]
