"""A node held against its own manifest: what was added, changed or removed since, and by what. Pure.

::

    manifest (what wslgpu put there)  ─┐
    lock in force (versions)          ─┼─> drift() ──> Row...
    NodeState (what is there)         ─┘
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from wslgpu.diff.rows import Change, Row, shown_digest
from wslgpu.lock.debian_version import compare
from wslgpu.lock.model import Lock
from wslgpu.manifest.claims import CLAIMS
from wslgpu.manifest.model import BEFORE, MANIFEST, Component, Entry, Manifest
from wslgpu.manifest.state import InstalledPackage, NodeState

UPGRADE_WINDOW_S = 120
"""A file that changed this shortly after a package was worked on was changed by that package's scripts."""

_BY_PACKAGES = "by a package manager"
_OTHER_LOCK = "the lock in force is another"
_LOG = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?P<verb>install|upgrade|remove|purge)"
    r" (?P<package>\S+) (?P<old>\S+) (?P<new>\S+)"
)


@dataclass(frozen=True)
class LogLine:
    """One line of dpkg's log.

    :param time: RFC 3339 in UTC
    """

    time: str
    verb: str
    package: str
    old: str
    new: str

    @property
    def move(self) -> str:
        """``upgrade`` or ``downgrade``: dpkg's log has one word for both."""
        return "downgrade" if compare(self.new, self.old) < 0 else "upgrade"

    @property
    def by(self) -> str:
        """What moved the package, for people."""
        return f"by {'an' if self.move == 'upgrade' else 'a'} {self.move}" if self.verb == "upgrade" else _BY_PACKAGES

    @property
    def words(self) -> str:
        """What happened, for people."""
        if self.verb == "upgrade":
            return f"{self.move} of {self.package} {self.old} -> {self.new}"
        return {"install": "installation", "remove": "removal", "purge": "removal"}[self.verb] + f" of {self.package}"


def log_lines(lines: tuple[str, ...]) -> list[LogLine]:
    """The lines that can be read, oldest first; package names without the architecture."""
    found = []
    for line in lines:
        if match := _LOG.fullmatch(line.strip()):
            time = match["time"].replace(" ", "T") + "Z"
            found.append(LogLine(time, match["verb"], match["package"].partition(":")[0], match["old"], match["new"]))
    return found


def drift(manifest: Manifest, state: NodeState, lock: tuple[Lock, str] | None = None) -> list[Row]:
    """Everything that is not as the manifest says, in deploy.py's order of components.

    :param lock: the lock in force and its digest; without one, versions are held against the manifest alone
    """
    return [row for name in _in_order(manifest) for row in _Component(name, manifest, state, lock).rows()]


def since(rows: list[Row], manifest: Manifest, state: NodeState, moment: str) -> list[Row]:
    """Those that came at ``moment`` (RFC 3339) or later, or nobody knows when; and packages that moved since then.

    Packages that wslgpu itself put there in that time are not told.
    """
    ours = _versions(manifest)
    told = {row.name for row in rows if row.section == "package"}
    kept = [row for row in rows if not row.when or row.when >= moment]
    last = {line.package: line for line in log_lines(state.package_log) if line.time >= moment}
    for name, line in sorted(last.items()):
        if name in told or ours.get(name) == line.new:
            continue
        change: Change = (
            "removed" if line.verb in ("remove", "purge") else "added" if line.verb == "install" else "changed"
        )
        old, new = ("" if word == "<none>" else word for word in (line.old, line.new))
        kept.append(Row("", "package", name, change, ("version",), old, new, line.by, line.time))
    return kept


def _in_order(manifest: Manifest) -> list[str]:
    known = [name for name in CLAIMS if name in manifest.components]
    return known + sorted(set(manifest.components) - set(known))


class _Component:
    """The rows of one component."""

    def __init__(self, name: str, manifest: Manifest, state: NodeState, lock: tuple[Lock, str] | None) -> None:
        self._name, self._part, self._state, self._lock = name, manifest.components[name], state, lock
        self._all = manifest.components
        self._claims = CLAIMS.get(name)
        self._log = log_lines(state.package_log)
        self._ours = _versions(manifest)

    def rows(self) -> Iterator[Row]:
        part = self._part
        if part.state != "applied":
            words = {"applying": "an apply was cut off", "removing": "a removal was cut off"}[part.state]
            yield self._row("component", self._name, "changed", ("state",), "applied", words, part.at)
        if self._lock is not None and part.lock != self._lock[1]:
            locks = self._lock[1], part.lock or "none"
            yield self._row("component", self._name, "changed", ("lock",), *locks, part.at, by=_OTHER_LOCK)
        yield from self._files(part)
        yield from self._added(part)
        yield from self._packages(part)
        yield from self._units(part)
        yield from self._accounts(part)
        yield from self._stored(part)

    def _row(
        self,
        section: str,
        name: str,
        change: Change,
        what: tuple[str, ...],
        wanted: str,
        found: str,
        when: str = "",
        *,
        by: str = "",
    ) -> Row:
        return Row(self._name, section, name, change, what, wanted, found, by, when)

    def _files(self, part: Component) -> Iterator[Row]:
        for path, wanted in sorted(part.files.items()):
            found = self._state.entries.get(path)
            if found is None:
                yield self._row("path", path, "removed", ("there",), _entry_words(wanted), "", by="by hand")
                continue
            what = _entry_difference(wanted, found)
            if what and not (set(what) == {"content"} and self._lives(path)):
                # a change of mode or owner leaves no time, and one from before the apply is no time of this change
                when = self._state.modified.get(path, "") if {"content", "target", "kind"} & set(what) else ""
                when = when if when > part.at else ""
                words = shown_digest(wanted, what), shown_digest(found, what)
                yield self._by(self._row("path", path, "changed", what, *words, when))

    def _added(self, part: Component) -> Iterator[Row]:
        """What stands at this component's own places, is younger than it, and is nobody's of ours."""
        if self._claims is None or part.state != "applied":
            return
        ours = {path for one in self._all.values() for path in (*one.files, *one.before)}
        for path, entry in sorted(self._state.entries.items()):
            when = self._state.modified.get(path, "")
            if path in ours or entry.kind == "directory" or when <= part.at or path.startswith((MANIFEST, BEFORE)):
                continue
            if self._claims.cover(path, entry) and not self._lives(path) and self._first_to_claim(path, entry):
                yield self._by(self._row("path", path, "added", ("there",), "", _entry_words(entry), when))

    def _first_to_claim(self, path: str, entry: Entry) -> bool:
        claimants = [name for name in _claimants(path, entry) if name in self._all]
        return claimants[:1] == [self._name]

    def _lives(self, path: str) -> bool:
        return self._claims is not None and self._claims.lives(path)

    def _by(self, row: Row) -> Row:
        """Whether a package's scripts or a hand did it: by the time of the last change.

        What wslgpu itself installed is not blamed: the manifest has it, or was written after it.
        """
        for line in reversed(self._log):
            if line.time <= self._part.at or self._ours.get(line.package) == line.new:
                continue
            seconds = _seconds(row.when) - _seconds(line.time) if row.when else -1.0
            if 0 <= seconds <= UPGRADE_WINDOW_S:
                return replace(row, by=f"by the {line.words}")
        return replace(row, by="by hand")

    def _packages(self, part: Component) -> Iterator[Row]:
        locked = self._lock[0].distributions.get(self._state.distribution) if self._lock else None
        for name, package in sorted(part.packages.items()):
            version = locked.packages[name].version if locked and name in locked.packages else package.version
            found = self._state.packages.get(name)
            line = next((line for line in reversed(self._log) if line.package == name.partition(":")[0]), None)
            if found is None or found.status in ("config-files", "not-installed"):
                by, when = (_BY_PACKAGES, line.time) if line and line.verb in ("remove", "purge") else ("by hand", "")
                yield self._row("package", name, "removed", ("version",), version, "", when, by=by)
                continue
            if found.version != version:
                yield self._version(name, version, found, package.version, line)
            if found.status != "installed":
                yield self._row("package", name, "changed", ("status",), "installed", found.status, by="cut off")
        for name in part.holds:
            found = self._state.packages.get(name)
            if found is not None and not found.held:
                yield self._row("package", name, "changed", ("hold",), "held", "not held", by="by hand")

    def _version(self, name: str, wanted: str, found: InstalledPackage, applied: str, line: LogLine | None) -> Row:
        if found.version == applied:
            by, when = _OTHER_LOCK, self._part.at
        elif line is not None and line.new == found.version:
            by, when = line.by, line.time
        else:
            by, when = "by hand", ""
        return self._row("package", name, "changed", ("version",), wanted, found.version, when, by=by)

    def _units(self, part: Component) -> Iterator[Row]:
        for name, unit in sorted(part.units.items()):
            found = self._state.units.get(name, "absent")
            if found != unit.state:
                change: Change = "removed" if found == "absent" else "changed"
                yield self._row("unit", name, change, ("state",), unit.state, found, by="by hand")

    def _accounts(self, part: Component) -> Iterator[Row]:
        for section, wanted, there in (
            ("user", part.users, self._state.users),
            ("group", part.groups, self._state.groups),
        ):
            for name, number in sorted(wanted.items()):
                found = there.get(name)
                if found != number:
                    change: Change = "removed" if found is None else "changed"
                    yield self._row(
                        section, name, change, ("id",), str(number), "" if found is None else str(found), by="by hand"
                    )

    def _stored(self, part: Component) -> Iterator[Row]:
        for name, image in sorted(part.images.items()):
            there = self._state.images.get(name)
            if there is None or there.digest != image.digest:
                change: Change = "removed" if there is None else "changed"
                yield self._row(
                    "image", name, change, ("digest",), image.digest, there.digest if there else "", by="by hand"
                )
        for name, digest in sorted(part.artifacts.items()):
            found = self._state.artifacts.get(name, "")
            if found != digest:
                yield self._row(
                    "artifact", name, "changed" if found else "removed", ("digest",), digest, found, by="by hand"
                )


def _versions(manifest: Manifest) -> dict[str, str]:
    """The packages that wslgpu put there, of all components."""
    return {
        name.partition(":")[0]: package.version
        for part in manifest.components.values()
        for name, package in part.packages.items()
    }


def _claimants(path: str, entry: Entry) -> list[str]:
    return [name for name, claims in CLAIMS.items() if claims.cover(path, entry)]


def _entry_difference(wanted: Entry, found: Entry) -> tuple[str, ...]:
    if wanted.kind != found.kind:
        return ("kind",)
    what = []
    if wanted.kind != "link":
        what += ["mode"] if wanted.mode != found.mode else []
    what += ["owner"] if wanted.owner and wanted.owner != found.owner else []
    # what is made anew by what runs has no digest in the manifest
    what += ["content"] if wanted.sha256 and wanted.sha256 != found.sha256 else []
    what += ["target"] if wanted.target != found.target else []
    return tuple(what)


def _entry_words(entry: Entry) -> str:
    return f"link to {entry.target}" if entry.kind == "link" else f"{entry.kind} {entry.mode} {entry.owner}"


def _seconds(time: str) -> float:
    return datetime.datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
