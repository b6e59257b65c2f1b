"""What dpkg knows of several packages, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class PackageState:
    """One package of the node's own architecture.

    :param version: installed or half installed; empty where there is none
    :param status: dpkg's word: installed, config-files, half-configured, unpacked, ...
    :param hold: nobody's, wslgpu's (it keeps a record), or somebody else's
    :param unmarked: a run of ours was cut off before it told apt that this is a dependency
    """

    version: str
    status: str
    hold: Literal["", "ours", "foreign"]
    unmarked: bool = False

    @property
    def installed(self) -> bool:
        """Whole and configured."""
        return self.status == "installed"


def parse_packages(lines: list[str]) -> dict[str, PackageState]:
    """Read apt_packages.sh's output; a package that dpkg does not know is missing from the result."""
    words = [line.split() for line in lines]
    ours = {word[1] for word in words if word[:1] == ["record"] and len(word) == 2}
    unmarked = {word[1] for word in words if word[:1] == ["unmarked"] and len(word) == 2}
    states: dict[str, PackageState] = {}
    for word in words:
        if word[:1] != ["package"] or len(word) != 5:
            continue
        _, name, version, status, want = word
        hold: Literal["", "ours", "foreign"] = ""
        if want == "hold":
            hold = "ours" if name in ours else "foreign"
        states[name] = PackageState("" if version == "-" else version, status, hold, name in unmarked)
    return states


class AptPackages(ScriptFact[dict[str, PackageState]]):
    """Maps each known package to its :class:`PackageState`."""

    script_name = "apt_packages"

    @staticmethod
    def default() -> dict[str, PackageState]:
        return {}

    def command(self, names: tuple[str, ...]) -> StringCommand:  # type: ignore[override]
        return super().command(*names)

    def process(self, output: list[str]) -> dict[str, PackageState]:
        return parse_packages(output)


class Distribution(ScriptFact[str]):
    """``ID VERSION_ID`` of os-release, such as ``debian 13``: the name of a lock's part."""

    script_name = "distribution"

    @staticmethod
    def default() -> str:
        return ""

    def process(self, output: list[str]) -> str:
        return next((line.removeprefix("distribution ") for line in output if line.startswith("distribution ")), "")
