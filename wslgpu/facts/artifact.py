"""What is installed below /opt/wslgpu, and what the node offers to an artifact, in one round trip."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact

TreeState = Literal["whole", "damaged", "unread"]


@dataclass(frozen=True)
class Tree:
    """One installed version.

    :param digest: of the archive that it was unpacked from
    :param state: ``unread`` where no link points at it, and so nothing looked at its files
    """

    digest: str
    state: TreeState


@dataclass(frozen=True)
class InstalledArtifact:
    """One artifact's folder.

    :param present: there is something at /opt/wslgpu/ARTIFACT
    :param links: ``current`` and ``previous`` -> what each points at, as it stands in the link
    :param trees: by folder
    :param leftovers: what an interrupted run left behind
    :param odd: of ``current`` and ``previous``, those that are no link
    """

    present: bool = False
    links: dict[str, str] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()

    @property
    def current(self) -> Tree | None:
        """What people use; None where the link is missing or points at no version."""
        return self.trees.get(self.links.get("current", ""))

    @property
    def untidy(self) -> bool:
        """Something is there that neither link needs, or ``previous`` points at nothing."""
        surplus = set(self.trees) - set(self.links.values())
        return bool(self.leftovers or surplus) or self.links.get("previous", "") not in {"", *self.trees}


@dataclass(frozen=True)
class ArtifactsState:
    """
    :param architecture: dpkg's word
    :param distribution: ``ID VERSION_ID`` of os-release
    :param glibc: the running one's version
    :param symbols: GLIBCXX and CXXABI -> the greatest version that the node's libstdc++ has; empty without one
    :param free_bytes: where /opt/wslgpu is or will be
    :param free_inodes: None on a file system that does not count them
    """

    architecture: str = ""
    distribution: str = ""
    glibc: str = ""
    symbols: dict[str, str] = field(default_factory=dict)
    free_bytes: int = 0
    free_inodes: int | None = None
    artifacts: dict[str, InstalledArtifact] = field(default_factory=dict)

    def of(self, artifact: str) -> InstalledArtifact:
        """One artifact's folder, or an empty one."""
        return self.artifacts.get(artifact, InstalledArtifact())


def parse_artifacts(lines: list[str]) -> ArtifactsState:
    """Read artifact.sh's output."""
    rows = [(key, rest.split()) for key, _, rest in (line.partition(" ") for line in lines)]
    single = {key: " ".join(words) for key, words in rows}

    def of(artifact: str, key: str) -> list[list[str]]:
        return [words[1:] for found, words in rows if found == key and words[:1] == [artifact]]

    room = [int(word) for word in single.get("room", "").split() if re.fullmatch(r"\d{1,20}", word)]
    present = [words[0] for key, words in rows if key == "present" and words]
    return ArtifactsState(
        architecture=single.get("architecture", ""),
        distribution=single.get("distribution", ""),
        glibc=single.get("glibc", ""),
        symbols={words[0]: words[1] for key, words in rows if key == "symbols" and len(words) == 2},
        free_bytes=room[0] * room[1] if len(room) == 4 else 0,
        free_inodes=room[2] if len(room) == 4 and room[3] else None,
        artifacts={
            name: InstalledArtifact(
                present=True,
                links={words[0]: words[1] for words in of(name, "link") if len(words) == 2},
                trees={words[0]: Tree(words[1], _state(words[2])) for words in of(name, "tree") if len(words) == 3},
                leftovers=tuple(words[0] for words in of(name, "leftover") if words),
                odd=tuple(words[0] for words in of(name, "odd") if words),
            )
            for name in present
        },
    )


def _state(word: str) -> TreeState:
    return "whole" if word == "whole" else "unread" if word == "unread" else "damaged"


class Artifacts(ScriptFact[ArtifactsState]):
    """The node's :class:`ArtifactsState`."""

    script_name = "artifact"

    @staticmethod
    def default() -> ArtifactsState:
        return ArtifactsState()

    def command(self, names: tuple[str, ...]) -> StringCommand:  # type: ignore[override]
        """:param names: of artifacts; all that a deploy looks at, so that one round trip reads them"""
        return super().command(*names)

    def process(self, output: list[str]) -> ArtifactsState:
        return parse_artifacts(output)
