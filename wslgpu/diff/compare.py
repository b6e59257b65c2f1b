"""Two snapshots held against each other, and the differences that have a reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wslgpu.diff.reasons import Reason, Reasons
from wslgpu.diff.tree import Snapshot, TreePackage, TreePath

HIDDEN = "content not shown: not everybody may read it"
Section = Literal["path", "package", "unit", "user", "group", "image", "manifest"]


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in both.

    :param change: ``added``: only in the second; ``removed``: only in the first; ``changed``
    :param what: the properties that differ, such as ``content`` or ``mode``; ``there`` for added and removed
    :param first: its value in the first, in words; empty where it is not there
    """

    section: Section
    name: str
    change: Literal["added", "removed", "changed"]
    what: tuple[str, ...]
    first: str = ""
    second: str = ""


@dataclass(frozen=True)
class Comparison:
    """The outcome.

    :param differences: those without a reason: the two are the same when there is none
    :param allowed: those with one, each with its reason
    :param unused: reasons that no difference needed
    """

    differences: tuple[Difference, ...]
    allowed: tuple[tuple[Difference, Reason], ...]
    unused: tuple[Reason, ...]

    @property
    def same(self) -> bool:
        return not self.differences


def compare(first: Snapshot, second: Snapshot, reasons: Reasons) -> Comparison:
    """All differences between two nodes, or of one node between two moments.

    Times of modification are not compared, nor sizes of what is no file.
    """
    found = differences(first, second)
    allowed: list[tuple[Difference, Reason]] = []
    open_: list[Difference] = []
    for one in found:
        reason = reasons.reason_for(one.section, one.name, one.what)
        if reason is None:
            open_.append(one)
        else:
            allowed.append((one, reason))
    used = {reason.id for _, reason in allowed}
    return Comparison(tuple(open_), tuple(allowed), tuple(r for r in reasons.reasons if r.id not in used))


def differences(first: Snapshot, second: Snapshot) -> list[Difference]:
    """All of them, in the order of sections and names."""
    return [
        *_of("path", _paths(first), _paths(second)),
        *_of("package", _packages(first), _packages(second)),
        *_of("unit", _plain(first.units, "state"), _plain(second.units, "state")),
        *_of("user", _plain(first.users, "account"), _plain(second.users, "account")),
        *_of("group", _plain(first.groups, "account"), _plain(second.groups, "account")),
        *_of("image", _plain(first.images, "digest"), _plain(second.images, "digest")),
    ]


_Values = dict[str, str]


def _of(section: Section, first: Mapping[str, _Values], second: Mapping[str, _Values]) -> list[Difference]:
    found = []
    for name in sorted({*first, *second}):
        one, other = first.get(name), second.get(name)
        if one == other:
            continue
        if one is None and other is not None:
            found.append(Difference(section, name, "added", ("there",), "", _words(other, tuple(other))))
        elif other is None and one is not None:
            found.append(Difference(section, name, "removed", ("there",), _words(one, tuple(one)), ""))
        elif one is not None and other is not None:
            what = tuple(key for key in {**one, **other} if one.get(key) != other.get(key))
            found.append(Difference(section, name, "changed", what, _words(one, what), _words(other, what)))
    return found


def _words(values: _Values, what: tuple[str, ...]) -> str:
    return ", ".join(_word(key, values) for key in what if values.get(key))


def _word(key: str, values: _Values) -> str:
    """Of content the beginning of its digest, and nothing where not everybody may read it."""
    if key != "content":
        return f"{key} {values[key]}"
    if not int(values["mode"] or "0", 8) & 0o004:
        return HIDDEN
    return f"content {values[key]}" if values[key].startswith("of ") else f"sha256 {values[key][:12]}"


def _paths(snapshot: Snapshot) -> dict[str, _Values]:
    return {name: path_values(entry) for name, entry in snapshot.paths.items()}


def path_values(entry: TreePath) -> _Values:
    """What is compared of a path, by property. ``content`` is compared whole and shown by its beginning."""
    values = {"kind": entry.kind, "mode": entry.mode, "owner": entry.owner}
    if entry.kind == "link":
        values["target"] = entry.target
    elif entry.kind == "file":
        values["content"] = entry.sha256 or f"of {entry.size_bytes} bytes"
    return values


def _packages(snapshot: Snapshot) -> dict[str, _Values]:
    return {name: package_values(package) for name, package in snapshot.packages.items()}


def package_values(package: TreePackage) -> _Values:
    """What is compared of a package, by property."""
    return {
        "version": package.version,
        "status": package.status,
        "mark": "automatic" if package.automatic else "manual",
        "hold": "held" if package.held else "not held",
    }


def _plain(table: Mapping[str, str], what: str) -> dict[str, _Values]:
    return {name: {what: value} for name, value in table.items()}
