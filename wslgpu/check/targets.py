"""The targets of one call: words of the command line, and an inventory's hosts by a private ssh_config."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wslgpu.errors import UsageError
from wslgpu.probe.channels import LOCAL, Target, in_inventory, parse_target

INVENTORY_WORDS = ("lab", "fleet")


@dataclass(frozen=True)
class Asked:
    """What the command line names.

    :param inventory: an inventory file, with the variables that it reads; None when none was named
    :param limit: host names, patterns or groups of that inventory
    """

    words: tuple[str, ...] = ()
    inventory: tuple[Path, tuple[tuple[str, str], ...]] | None = None
    limit: tuple[str, ...] = ()


@contextmanager
def targets(asked: Asked) -> Iterator[tuple[Target, ...]]:
    """All targets, each once, in the order in which they were named; this machine when none was.

    The ssh_config of an inventory's hosts is gone at the end. Nothing is contacted here.

    :raises UsageError: a word that is no target, an inventory that cannot be read, a limit that matches nothing
    """
    if asked.limit and asked.inventory is None:
        raise UsageError("--limit chooses hosts of an inventory", "--limit", "Give --inventory or --lab with it.")
    named = [_from_word(word) for word in asked.words]
    if asked.inventory is None:
        yield _once(named or [LOCAL])
        return
    with tempfile.TemporaryDirectory(prefix="wslgpu-") as folder:
        path, environment = asked.inventory
        yield _once([*named, *_from_inventory(path, environment, asked.limit, Path(folder))])


def _from_word(word: str) -> Target:
    if word in INVENTORY_WORDS:
        raise UsageError(
            f"{word!r} is an inventory", "TARGET", f"Give --inventory {word}, or ssh://{word} for a host of that name."
        )
    return parse_target(word)


def _from_inventory(
    path: Path, environment: tuple[tuple[str, str], ...], limit: Sequence[str], folder: Path
) -> list[Target]:
    # pyinfra reads inventories; without one it is not loaded
    from wslgpu.inventory import resolved_hosts
    from wslgpu.verify.command import limited
    from wslgpu.verify.connection import ssh_config

    hosts = limited(list(resolved_hosts(path, environment).values()), limit)
    file = folder / "ssh_config"
    file.touch(0o600)
    file.write_text(ssh_config(hosts, folder), encoding="utf-8")
    return [in_inventory(host.name, file) for host in hosts]


def _once(found: Sequence[Target]) -> tuple[Target, ...]:
    return tuple({target.name: target for target in reversed(found)}[name] for name in _names(found))


def _names(found: Sequence[Target]) -> list[str]:
    return list(dict.fromkeys(target.name for target in found))
