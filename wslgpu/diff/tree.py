"""Everything that a node is made of, as it says in one round trip: paths, packages, units, accounts, images.

::

    payload() ──> sh on the node, as root, reads only ──> compressed records ──> parse() ──> Snapshot ──> compare()

Contents never travel: a file is its digest. A path of a file system that the kernel makes up or that comes from
elsewhere (Windows' drives) is left out, and of :data:`PRUNED` folders only the folder itself is told.
"""

from __future__ import annotations

import datetime
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.node_script import command_line

SCRIPT = Path(__file__).parent / "scripts" / "tree.sh"
PRUNED = ("/var/lib/containerd", "/var/lib/docker", "/var/lib/containers", "/var/lib/kubelet/pods")
"""Stores of containers: what is in them is named by image and digest, and is gigabytes."""
HASHED_BYTES = 1 << 30
"""A larger file is told by its length alone."""
TREE_BYTES = 512 << 20
"""A longer answer, unpacked, is no node's: some 3 million paths."""

_KINDS = {"f": "file", "d": "directory", "l": "link", "c": "device", "b": "device", "p": "pipe", "s": "socket"}


@dataclass(frozen=True)
class TreePath:
    """One path. Of what is not a regular file ``size_bytes`` is 0 and ``sha256`` empty.

    :param kind: ``file``, ``directory``, ``link``, ``device``, ``pipe`` or ``socket``
    :param mode: octal digits; empty for a link
    :param owner: ``user:group``, names where there are such
    :param sha256: empty where the file was too large or went away meanwhile
    :param modified_s: since 1970, UTC
    """

    kind: str
    mode: str
    owner: str
    sha256: str = ""
    target: str = ""
    size_bytes: int = 0
    modified_s: float = 0.0

    @property
    def readable_by_all(self) -> bool:
        """Whether everybody on the node may read it: what not everybody may is not shown, not even as a digest."""
        return self.kind != "file" or int(self.mode or "0", 8) & 0o004 != 0

    @property
    def modified(self) -> str:
        """RFC 3339 in UTC, whole seconds."""
        when = datetime.datetime.fromtimestamp(self.modified_s, datetime.timezone.utc)
        return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class TreePackage:
    """One package as dpkg and apt have it."""

    version: str
    status: str
    automatic: bool = False
    held: bool = False


@dataclass(frozen=True)
class Snapshot:
    """One node at one moment.

    :param packages: by name; ``name:architecture`` where that is not the node's own
    :param units: unit file -> is-enabled's word
    :param users: name -> ``uid:gid:home:shell``; ``groups``: name -> ``gid:members``
    :param images: ``namespace repository:tag`` -> digest
    """

    distribution: str
    paths: dict[str, TreePath] = field(default_factory=dict)
    packages: dict[str, TreePackage] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)


def payload(pruned: Sequence[str] = PRUNED, hashed_bytes: int = HASHED_BYTES) -> bytes:
    """What ``sh -s`` is given on the node: the script as root, through sudo where the login is another's."""
    command = command_line(SCRIPT, (hashed_bytes, *pruned))
    return f'as_root=; [ "$(id -u)" = 0 ] || as_root="sudo -n"\n$as_root {command}\n'.encode()


def parse(raw: bytes, where: str) -> Snapshot:
    """Read what the script printed.

    :raises WslgpuError: platform, retryable: cut off, or no such answer at all
    """
    records = _unpacked(raw, where).split(b"\0")
    if len(records) < 2 or records[-2:] != [b"end", b""]:
        raise _broken("the answer was cut off", where)
    texts = iter([record.decode("utf-8", "backslashreplace") for record in records[:-2]])
    try:
        return _read(texts)
    except (ValueError, KeyError, StopIteration) as error:
        raise _broken(f"the answer cannot be read: {error}", where) from error


def _unpacked(raw: bytes, where: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(raw, TREE_BYTES)
    except zlib.error as error:
        raise _broken("the answer is no tree", where) from error
    if unpacker.unconsumed_tail:
        raise _broken(f"the answer is longer than {TREE_BYTES >> 20} MiB", where)
    return text


def _broken(what: str, where: str) -> WslgpuError:
    return WslgpuError(what, where, "Run it again; look at the node's disk and network.", ErrorClass.PLATFORM, True)


def _read(texts: Iterator[str]) -> Snapshot:
    head = next(texts).split("\t")
    if head[:2] != ["tree", "1"]:
        raise ValueError("it does not begin as a tree does")
    native = {head[2], "all"}
    paths: dict[str, TreePath] = {}
    digests: dict[str, str] = {}
    packages: dict[str, list[str]] = {}
    automatic: set[str] = set()
    tables: dict[str, dict[str, str]] = {"u": {}, "U": {}, "g": {}, "i": {}}
    for record in texts:
        kind, _, rest = record.partition("\t")
        if kind == "p":
            letter, mode, user, group, size, seconds, path = rest.split("\t", 6)
            name = _KINDS[letter]
            file = name == "file"
            paths[path] = TreePath(
                name,
                "" if name == "link" else mode,
                f"{user}:{group}",
                target=next(texts),
                size_bytes=int(size) if file else 0,
                modified_s=float(seconds),
            )
        elif kind == "h":
            digests[rest[66:]] = rest[:64]
        elif kind == "k":
            package, architecture, *row = rest.split("\t")
            packages[package if architecture in native else f"{package}:{architecture}"] = row
        elif kind == "a":
            automatic.add(rest)
        elif kind == "u":
            unit, state = rest.split("\t")
            tables["u"][unit] = state
        elif kind in ("U", "g"):
            account, *row = rest.split("\t")
            tables[kind][account] = ":".join(row)
        elif kind == "i":
            namespace, image, digest = rest.split("\t")
            tables["i"][f"{namespace} {image}"] = digest
        elif record:
            raise ValueError(f"a record of an unknown kind: {record[:40]!r}")
    return Snapshot(
        distribution=head[3],
        paths={path: replace(entry, sha256=digests.get(path, "")) for path, entry in sorted(paths.items())},
        packages={
            name: TreePackage(version, status, name in automatic, want == "hold")
            for name, (version, want, status) in sorted(packages.items())
            if status != "not-installed"
        },
        units=tables["u"],
        users=tables["U"],
        groups=tables["g"],
        images=tables["i"],
    )
