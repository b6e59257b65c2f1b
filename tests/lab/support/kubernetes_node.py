"""Applying the Kubernetes task, and what it left on a node."""

from __future__ import annotations

from tests.lab.support.apply import Outcome
from wslgpu.lab import Node

ONLY = ("--only", "kubernetes")


def done(outcome: Outcome, changed: bool) -> None:
    assert outcome.code == 0, outcome
    assert bool(outcome.host()["changed"]) is changed, outcome


def there(node: Node, *paths: str) -> list[str]:
    """Those of the paths that are there."""
    return [path for path in paths if node.nsenter(["test", "-e", path], check=False).ok]
