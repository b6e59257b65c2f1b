"""What `wslgpu lock` tells people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from wslgpu.lock.check import Checked
from wslgpu.lock.command import Outcome
from wslgpu.lock.model import Lock
from wslgpu.lock.moves import Move, changelogs


def outcome(result: Outcome) -> list[str]:
    """Of making and upgrading."""
    lines: list[str] = []
    if result.moved:
        lines += _moved(result.moved)
    for row in result.expects:
        lines.append(f"The catalogue expects otherwise: {row.capability} ({row.title}): {row.old} -> {row.new}")
    lines += [f"warning: {row.what}: {row.why}. {row.remedy} [{row.id}]" for row in result.warnings]
    lines += [f"note: {text}" for text in result.newer_pins]
    if result.written:
        lines.append(f"{result.file}: written: {_size(result.lock)}. Review it, and commit it.")
    elif result.moved is not None and not result.moved:
        lines.append(f"{result.file}: nothing moved: {_size(result.lock)}")
    else:
        lines.append(f"{result.file}: {len(result.moved or ())} would move; nothing was written (--write takes it)")
    return lines


def _size(lock: Lock) -> str:
    packages = sum(len(part.packages) for part in lock.distributions.values())
    fetched = sum(
        row.size_bytes for part in lock.distributions.values() for row in part.packages.values() if not row.base
    )
    return (
        f"{packages} packages of {', '.join(sorted(lock.distributions))} ({fetched / 1e6:.0f} MB beyond the minimal"
        f" system), {len(lock.images)} images, {len(lock.artifacts)} artifacts, {len(lock.downloads)} downloads"
    )


def _moved(rows: Iterable[Move]) -> Iterator[str]:
    links = changelogs()
    for component, group in groupby(rows, key=lambda move: move.component):
        moves = list(group)
        yield component
        width = max(len(move.what) for move in moves)
        for move in moves:
            yield f"  {move.what:{width}}  {_short(move.old) or '(new)'} -> {_short(move.new) or '(gone)'}"
        for link in links.get(component, ()):
            yield f"  what is new: {link}"


def _short(text: str) -> str:
    """A hash by its first digits."""
    if text.startswith("sha256:"):
        return text[:19]
    return text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text


def checked(result: Checked) -> list[str]:
    """Of checking."""
    lines = [str(row) for row in result.lacking]
    newer = [row for row in result.newer if not row.base]
    lines += [f"{row.name} {row.version} ({row.distribution}): the archive has {row.newest} too" for row in newer]
    if base := len(result.newer) - len(newer):
        lines.append(f"{base} packages of the minimal system are newer in the archive; nodes keep theirs")
    if base := len(result.gone) - len(result.lacking):
        lines.append(f"{base} packages of the minimal system are gone from the archive; nodes keep theirs")
    if result.lacking:
        lines.append(
            f"{len(result.lacking)} locked versions cannot be had any more: a bundle keeps them (wslgpu bundle make),"
            " and wslgpu lock --upgrade shows what would take their place"
        )
    else:
        lines.append("every locked version is still there")
    return lines
