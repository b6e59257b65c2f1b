"""What components left running, and what they or others keep in their data folders."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class DataState:
    """One node.

    :param running: ``NAMESPACE/NAME`` of each container that runs under containerd, sorted
    :param used: of the folders that were asked for, those that hold data
    """

    running: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


def parse_component_data(lines: list[str]) -> DataState:
    """Read component_data.sh's output."""
    pairs = [line.partition(" ")[::2] for line in lines]
    return DataState(
        tuple(sorted(value for key, value in pairs if key == "running")),
        tuple(sorted(value for key, value in pairs if key == "used")),
    )


class ComponentData(ScriptFact[DataState]):
    """Asks of these folders, and of all containers."""

    script_name = "component_data"

    @staticmethod
    def default() -> DataState:
        return DataState()

    def command(self, folders: tuple[str, ...]) -> StringCommand:  # type: ignore[override]
        return super().command(*folders)

    def process(self, output: list[str]) -> DataState:
        return parse_component_data(output)
