"""What ``lock_resolve.sh`` and ``lock_check.sh`` print, as parts of the lock. Pure.

Sources: Debian Policy 7.1 (syntax of relationship fields), deb-version(7), wiki.debian.org/DebianRepository/Format
(Release and Packages files), snapshot.debian.org and snapshot.ubuntu.com (addresses of an archive's earlier states).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.lock.model import Download, Index, LockedDistribution, LockedPackage

Asked = Mapping[str, tuple[str, ...]]
"""Package -> the components that ask for it."""
# An archive publishes before a snapshot of it is taken; both of Debian's and Ubuntu's services take one within hours,
# and answer for a time with the last state before it.
_SNAPSHOT_DELAY = timedelta(hours=6)
_SNAPSHOTS = {
    ("Debian", "Debian"): "https://snapshot.debian.org/archive/debian/{stamp}/",
    ("Debian", "Debian-Security"): "https://snapshot.debian.org/archive/debian-security/{stamp}/",
    ("Ubuntu", "Ubuntu"): "https://snapshot.ubuntu.com/ubuntu/{stamp}/",
}
_ALTERNATIVE = re.compile(r"\s*(?P<name>[a-z0-9][a-z0-9+.-]*)")
_FIELD = re.compile(r"(?P<name>[A-Za-z0-9-]+): ?(?P<value>.*)")


@dataclass
class Resolved:
    """What one machine said.

    :param indexes: by the number that the script gave it
    :param stanzas: index number and fields, in the script's order
    :param has: of ``lock_check.sh``: name, version and sha256 of each locked version that an index has
    :param newest: of ``lock_check.sh``: the version that apt would choose today
    """

    distribution: str = ""
    key: tuple[str, int] = ("", 0)
    indexes: dict[int, Index] = field(default_factory=dict)
    base: set[str] = field(default_factory=set)
    want: dict[str, str] = field(default_factory=dict)
    stanzas: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    has: set[tuple[str, str, str]] = field(default_factory=set)
    newest: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> Resolved:
    """Read the lines of lock_resolve.sh or lock_check.sh.

    :raises WslgpuError: class internal: a line that it does not print
    """
    found = Resolved()
    rows: dict[int, list[str]] = {}
    lines = iter(text.splitlines())
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "distribution":
            found.distribution = rest
        elif word == "key":
            digest, size = rest.split()
            found.key = (digest, int(size))
        elif word == "index":
            rows[int(rest.split()[0])] = rest.split()[1:]
        elif word == "release":
            number, _, said = rest.partition(" ")
            found.indexes[int(number)] = _index(rows[int(number)], said)
        elif word == "base":
            found.base.add(rest)
        elif word == "want":
            name, version = rest.split()
            found.want[name] = version
        elif word == "has":
            name, version, sha256 = rest.split()
            found.has.add((name, version, sha256))
        elif word == "newest":
            name, version = rest.split()
            found.newest[name] = version
        elif word == "stanza":
            fields: dict[str, str] = {}
            for each in lines:
                match = _FIELD.fullmatch(each)
                if match is None:
                    break
                fields[match["name"]] = match["value"]
            found.stanzas.append((int(rest), fields))
        elif line:
            raise WslgpuError(f"cannot read {line[:80]!r}", "lock_apt.sh", "", ErrorClass.INTERNAL)
    return found


def _index(words: list[str], said: str) -> Index:
    """``said``: DATE|ORIGIN|LABEL, as the Release file has them."""
    uri, suite, sha256, signers = words
    date, origin, label = said.split("|", 2)
    published = parsedate_to_datetime(date).astimezone(timezone.utc)
    form = _SNAPSHOTS.get((origin, label), "")
    return Index(
        uri=uri,
        suite=suite,
        date=_utc(published),
        sha256=sha256,
        signed_by=[] if signers == "-" else sorted(signers.split(",")),
        snapshot=form.format(stamp=(published + _SNAPSHOT_DELAY).strftime("%Y%m%dT%H%M%SZ")),
    )


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def locked(found: Resolved, asked: Asked) -> LockedDistribution:
    """The distribution's part of the lock.

    :param asked: by which components each package is asked for
    :raises WslgpuError: class platform: a package has no stanza with a SHA256
    """
    stanzas: dict[str, tuple[int, dict[str, str]]] = {}
    # of several indexes that have a package, the one that is kept by its publisher, and then the first by its name: the
    # order in which a machine's files name them is that machine's own
    for number, fields in sorted(found.stanzas, key=lambda row: _rank(found.indexes[row[0]])):
        stanzas.setdefault(fields["Package"], (number, fields))
    if missing := sorted(set(found.want) - set(stanzas)):
        raise WslgpuError(
            f"the index has no entry of {', '.join(missing)}, which apt would install",
            found.distribution,
            "Run apt-get update there, and try again.",
        )
    providers = _providers({name: row[1] for name, row in stanzas.items()})
    # as the machine's files have them, they would stand in another order on another machine
    indexes = {_place(found.indexes[number]): found.indexes[number] for number, _ in stanzas.values()}
    places = sorted(indexes)
    packages = {}
    for name in sorted(found.want):
        number, fields = stanzas[name]
        if "SHA256" not in fields:
            raise WslgpuError(f"{name} has no SHA256 in its index", found.distribution, "Use a mirror that has it.")
        packages[name] = LockedPackage(
            version=fields["Version"],
            sha256=fields["SHA256"],
            size_bytes=int(fields["Size"]),
            file=fields["Filename"],
            index=places.index(_place(found.indexes[number])),
            components=sorted(asked.get(name, ())),
            depends=depends(fields, set(found.want), providers),
            base=name in found.base,
        )
    return LockedDistribution(indexes=[indexes[place] for place in places], packages=packages)


def _place(index: Index) -> tuple[str, str]:
    return index.uri, index.suite


def _rank(index: Index) -> tuple[bool, str, str]:
    return not index.snapshot, index.uri, index.suite


def _providers(stanzas: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Virtual package -> the packages that provide it, sorted."""
    found: dict[str, list[str]] = {}
    for name in sorted(stanzas):
        for part in stanzas[name].get("Provides", "").split(","):
            if match := _ALTERNATIVE.match(part):
                found.setdefault(match["name"], []).append(name)
    return found


def depends(fields: Mapping[str, str], chosen: set[str], providers: Mapping[str, list[str]]) -> list[str]:
    """The packages among ``chosen`` that satisfy Pre-Depends and Depends: of each clause the first alternative.

    apt chose one that goes with the versions; which one of several it is does not matter, since all are chosen.
    """
    found: set[str] = set()
    clauses = [
        clause for key in ("Pre-Depends", "Depends") for clause in fields.get(key, "").split(",") if clause.strip()
    ]
    for clause in clauses:
        names = [match["name"] for part in clause.split("|") if (match := _ALTERNATIVE.match(part))]
        options = [name for name in names if name in chosen]
        options += [name for virtual in names for name in providers.get(virtual, ()) if name in chosen]
        if options:
            found.add(options[0])
    found.discard(fields["Package"])
    return sorted(found)


def key_download(found: Resolved, url: str) -> Download:
    """The repository's key, as the machine fetched and checked it."""
    return Download(url=url, sha256=found.key[0], size_bytes=found.key[1])
