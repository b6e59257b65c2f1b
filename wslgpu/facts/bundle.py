"""What a node has of what a bundle is to give it, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class BundleState:
    """One node.

    :param distribution: ``debian 13``
    :param received: files that an earlier run has sent, by name, with their size; not compared yet
    :param content: digests in containerd's store
    """

    distribution: str
    received: dict[str, int] = field(default_factory=dict)
    content: tuple[str, ...] = ()


def parse_bundle_node(lines: list[str]) -> BundleState:
    """Read bundle_node.sh's output."""
    words = [line.split() for line in lines]
    distribution = next((" ".join(word[1:]) for word in words if word[:1] == ["distribution"]), "")
    received = {word[1]: int(word[2]) for word in words if word[:1] == ["received"] and len(word) == 3}
    content = tuple(word[1] for word in words if word[:1] == ["content"] and len(word) == 2)
    return BundleState(distribution, received, content)


class BundleNode(ScriptFact[BundleState]):
    """A node's :class:`BundleState`."""

    script_name = "bundle_node"

    @staticmethod
    def default() -> BundleState:
        return BundleState("")

    def command(self, folder: str, namespace: str = "-") -> StringCommand:  # type: ignore[override]
        return super().command(folder, namespace)

    def process(self, output: list[str]) -> BundleState:
        return parse_bundle_node(output)
