"""What may be needed no longer on a node, with its size."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact

KINDS = ("archive", "version", "damaged", "copy", "temporary", "bundle", "image")


@dataclass(frozen=True)
class Found:
    """One thing.

    :param kind: of :data:`KINDS`, see clutter.sh
    :param name: a path, the sha256 of a copy, or an image's name
    """

    kind: str
    size_bytes: int
    name: str
    digest: str = ""


def parse_clutter(lines: list[str]) -> tuple[Found, ...]:
    """Read clutter.sh's output; a line that cannot be read is as if it were not there."""
    found = []
    for line in lines:
        kind, *values = line.split("\t")
        if kind in KINDS and len(values) in (2, 3) and values[0].isdigit() and values[1]:
            found.append(Found(kind, int(values[0]), values[1], values[2] if len(values) == 3 else ""))
    return tuple(found)


class Clutter(ScriptFact[tuple[Found, ...]]):
    """Everything of that kind, wanted or not."""

    script_name = "clutter"

    @staticmethod
    def default() -> tuple[Found, ...]:
        return ()

    def command(self, namespace: str) -> StringCommand:  # type: ignore[override]
        return super().command(namespace)

    def process(self, output: list[str]) -> tuple[Found, ...]:
        return parse_clutter(output)
