"""What node_state.sh prints, as values. Everything in it is data from a machine that nobody vouches for."""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Iterable
from typing import Literal

from wslgpu.manifest.model import Entry, Image
from wslgpu.manifest.state import InstalledPackage, ManifestKind, NodeState

_KINDS: dict[str, Literal["file", "directory", "link"]] = {"f": "file", "d": "directory", "l": "link"}
_MANIFEST_KINDS: dict[str, ManifestKind] = {
    "file": "file",
    "link": "link",
    "other": "other",
    "unreadable": "unreadable",
}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def parse_node_state(lines: Iterable[str]) -> NodeState:
    """Read node_state.sh's output; a line that cannot be read is as if it were not there.

    Devices, sockets and pipes are no entries. ``complete`` is False where the last line is missing.
    """
    many: dict[str, list[list[str]]] = {}
    for line in lines:
        key, _, rest = line.partition(" ")
        many.setdefault(key, []).append(rest.split("\t"))

    def rows(key: str, least: int) -> list[list[str]]:
        return [row for row in many.get(key, []) if len(row) >= least and row[0]]

    def one(key: str) -> str:
        return next((row[0] for row in rows(key, 1)), "")

    architecture = one("architecture")
    automatic = {_package_name(name, where, architecture) for name, where in (row[:2] for row in rows("automatic", 2))}
    hashes = dict(_hash(row[0]) for row in rows("hash", 1))
    entries: dict[str, Entry] = {}
    modified: dict[str, str] = {}
    for row in rows("entry", 6):
        kind, mode, owner, time, path, target = row[:6]
        if kind not in _KINDS or not path.startswith("/"):
            continue
        if kind == "l":
            entries[path] = Entry(kind="link", owner=owner, target=target)
        else:
            entries[path] = Entry(kind=_KINDS[kind], mode=mode, owner=owner, sha256=hashes.get(path, ""))
        modified[path] = _time(time)
    units = {row[0]: "enabled" for row in rows("enabled", 1)} | {row[0]: "masked" for row in rows("masked", 1)}
    units |= {row[0]: _unit_state(row[1], row[2]) for row in rows("unit", 4)}
    return NodeState(
        distribution=one("distribution"),
        now=one("now"),
        manifest=_text(one("manifest")),
        manifest_kind=_MANIFEST_KINDS.get(one("manifest-kind"), "none"),
        complete="end" in many,
        made=frozenset(row[0] for row in rows("made", 1) if row[0] in entries),
        entries=entries,
        modified=modified,
        packages={
            name: InstalledPackage(
                version=row[2],
                status=row[3],
                automatic=name in automatic,
                held=row[4] == "hold",
                depends=_joined(row[5]) if len(row) > 5 else "",
                recommends=row[6] if len(row) > 6 else "",
                provides=row[7] if len(row) > 7 else "",
            )
            for row in rows("package", 5)
            for name in [_package_name(row[0], row[1], architecture)]
            if row[3] != "not-installed"
        },
        users=_numbers(rows("user", 2)),
        groups=_numbers(rows("group", 2)),
        units=units,
        active={row[0]: row[3] for row in rows("unit", 4)},
        images={
            row[1]: Image(namespace=row[0], digest=row[2]) for row in rows("image", 3) if _DIGEST.fullmatch(row[2])
        },
        artifacts={
            row[0]: row[1] if row[2] == "whole" else "damaged"
            for row in rows("artifact", 3)
            if _DIGEST.fullmatch(row[1])
        },
        kept=frozenset(row[0] for row in rows("kept", 1) if _SHA256.fullmatch(row[0])),
        package_log=tuple(row[0] for row in rows("log", 1)),
    )


def _package_name(name: str, architecture: str, native: str) -> str:
    """As dpkg names it: with its architecture where that is another than the node's own."""
    return name if architecture in ("", "all", native) else f"{name}:{architecture}"


def _hash(line: str) -> tuple[str, str]:
    """``path, sha256`` of a line of sha256sum, which has two marks between both."""
    return (line[66:], line[:64]) if _SHA256.fullmatch(line[:64]) else ("", "")


def _text(encoded: str) -> str | None:
    """The manifest's text; what is no UTF-8 text comes with replacement characters, and is no manifest then."""
    if not encoded:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode(errors="replace")
    except binascii.Error:
        return "\ufffd"


def _time(seconds: str) -> str:
    """Seconds since 1970, with a fraction, as RFC 3339 in UTC; empty for what is no time."""
    try:
        moment = datetime.datetime.fromtimestamp(int(seconds.partition(".")[0]), datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _unit_state(load: str, file: str) -> str:
    if load in ("not-found", ""):
        return "absent"
    return "masked" if load == "masked" else file or "transient"


def _joined(text: str) -> str:
    return ", ".join(part for part in (part.strip() for part in text.split(",")) if part)


def _numbers(rows: list[list[str]]) -> dict[str, int]:
    return {row[0]: int(row[1]) for row in rows if re.fullmatch(r"\d{1,10}", row[1])}
