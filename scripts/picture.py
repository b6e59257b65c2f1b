"""Draws a run's output as docs/demo.svg: ``scripts/demo.sh 2>&1 | .venv/bin/python scripts/picture.py``.

Long runs of numbered operations are cut in their middle, which is marked.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

_OPERATION = re.compile(r"\[ ?\d+/\d+\] ")
_KEPT = 3


def cut(lines: list[str]) -> list[str]:
    """The lines, with the middle of each row of operations replaced by one mark."""
    kept: list[str] = []
    row: list[str] = []
    for line in [*lines, ""]:
        if _OPERATION.match(line) or (row and line.startswith("        ")):
            row.append(line)
            continue
        if len(row) > 2 * _KEPT + 1:
            row = [*row[:_KEPT], f"    ... {len(row) - 2 * _KEPT} more lines ...", *row[-_KEPT:]]
        kept += [*row, line]
        row = []
    return kept[:-1]


def main() -> None:
    """Read standard input and write the picture."""
    console = Console(record=True, width=100, file=io.StringIO())
    for line in cut(sys.stdin.read().splitlines()):
        style = "bold cyan" if line.startswith("== ") else "green" if line.startswith(("Done", "Verified")) else ""
        console.print(Text(line, style=style), soft_wrap=False)
    target = Path(__file__).resolve().parent.parent / "docs" / "demo.svg"
    svg = console.export_svg(title="make demo")
    # no font from anybody's server: the reader's own monospace font will do
    target.write_text(re.sub(r"@font-face \{.*?\}\n?", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
