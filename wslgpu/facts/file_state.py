"""What stands at each of several paths, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class FileState:
    """One path.

    :param kind: file, directory, link, other, or none
    :param mode: octal digits such as ``644``; empty where there is none
    :param owner: ``user:group``
    :param sha256: of a file's content
    """

    kind: str
    mode: str
    owner: str
    sha256: str


def parse_file_states(lines: list[str]) -> dict[str, FileState]:
    """Read file_state.sh's output; keys are the paths as asked."""
    states: dict[str, FileState] = {}
    for line in lines:
        parts = line.split(" ", 4)
        if len(parts) == 5:
            kind, mode, owner, sha256, path = (("" if part == "-" else part) for part in parts)
            states[path] = FileState(kind, mode, owner, sha256)
    return states


class FileStates(ScriptFact[dict[str, FileState]]):
    """Maps each asked path to its :class:`FileState`."""

    script_name = "file_state"

    @staticmethod
    def default() -> dict[str, FileState]:
        return {}

    def command(self, paths: tuple[str, ...]) -> StringCommand:  # type: ignore[override]
        return super().command(*paths)

    def process(self, output: list[str]) -> dict[str, FileState]:
        return parse_file_states(output)
