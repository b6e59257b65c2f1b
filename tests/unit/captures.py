"""What the genuine programs were seen to print and write (fixtures/captures), as tests read it."""

from __future__ import annotations

from pathlib import Path

CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"


def capture(name: str) -> str:
    """A capture without the comment line that names the command, where it has one."""
    first, newline, rest = (CAPTURES / name).read_text(encoding="utf-8").partition("\n")
    return rest if first.startswith("# Output of") else first + newline + rest


def captured_store() -> list[str]:
    first = (CAPTURES / "nvidia-ctk-1.20.0_cdi-generate_wsl.yaml").read_text(encoding="utf-8").splitlines()[0]
    return first.rpartition("held: ")[2].split()
