"""What a node says of itself for its manifest, in one round trip for all components."""

from __future__ import annotations

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact
from wslgpu.manifest.state import NodeState
from wslgpu.manifest.state_text import parse_node_state


class NodeStates(ScriptFact[NodeState]):
    """The node's :class:`~wslgpu.manifest.state.NodeState`."""

    script_name = "node_state"

    @staticmethod
    def default() -> NodeState:
        return NodeState(distribution="", now="", manifest=None, complete=False)

    def command(self, words: tuple[str, ...]) -> StringCommand:  # type: ignore[override]
        """:param words: as node_state.sh takes them, see :func:`wslgpu.manifest.claims.words`"""
        return super().command(*words)

    def process(self, output: list[str]) -> NodeState:
        return parse_node_state(output)
