"""An apt repository as a node knows it: key, sources file, and who else names it."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api import StringCommand

from wslgpu.facts.file_state import FileState
from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class RepositoryState:
    """One repository.

    :param keys: fingerprint and gpg's validity (``e`` expired, ``r`` revoked) of each primary key in the keyring
    :param others: other sources files that name the same address, with the keyring that each signs it by
    """

    keyring: FileState
    keys: tuple[tuple[str, str], ...]
    sources: FileState
    others: tuple[tuple[str, str], ...]


_NONE = FileState("none", "", "", "")


def parse_repository(lines: list[str]) -> RepositoryState:
    """Read apt_repository.sh's output."""
    keyring = sources = _NONE
    keys: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for line in lines:
        words = line.split()
        if words[:1] == ["keyring"] and len(words) == 4:
            keyring = FileState(words[1], words[2].strip("-"), words[3].strip("-"), "")
        elif words[:1] == ["key"] and len(words) == 3:
            keys.append((words[1], words[2]))
        elif words[:1] == ["sources"] and len(words) == 4:
            sources = FileState("file", words[2], words[3], words[1])
        elif words[:1] == ["other"] and len(words) == 3:
            others.append((words[1], words[2].strip("-")))
    return RepositoryState(keyring, tuple(keys), sources, tuple(others))


class AptRepository(ScriptFact[RepositoryState]):
    """The :class:`RepositoryState` of an address."""

    script_name = "apt_repository"

    @staticmethod
    def default() -> RepositoryState:
        return parse_repository([])

    def command(self, uri: str, keyring: str, sources: str) -> StringCommand:  # type: ignore[override]
        return super().command(uri, keyring, sources)

    def process(self, output: list[str]) -> RepositoryState:
        return parse_repository(output)
