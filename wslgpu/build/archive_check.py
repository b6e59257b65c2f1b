"""The rules that an archive keeps, looked at as a whole: pure, from the list of its members."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build.archive_members import LINK_LIMIT_BYTES, Member, damaged, unsafe

MEMBER_LIMIT = 500_000
_SETUID_OR_SETGID = 0o6000
_HOPS = 40  # as many links as the kernel follows

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """An archive that may be unpacked.

    :param top: its single top folder, which is taken away; empty where it stays
    :param size_bytes: what its files add up to
    """

    top: str
    size_bytes: int


def relative(name: str, file: Path) -> Parts:
    """The parts of a name in an archive.

    :raises ArchiveError: it is absolute, or has ``..`` in it
    """
    if name.startswith("/"):
        raise unsafe(file, f"holds the absolute name {name!r}")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts or "\0" in name:
        raise unsafe(file, f"holds {name!r}, which leads out of its folder")
    return parts


def judged(file: Path, entries: Iterable[Member], limit_bytes: int) -> Plan:
    """Look at every member.

    :raises ArchiveError: of class safety for what is unsafe, integrity for what makes no sense
    """
    seen: dict[Parts, Member] = {}
    size = 0
    for member in entries:
        parts = _alone(member, file)
        size += member.size_bytes
        if size > limit_bytes:
            raise unsafe(file, f"unpacks to more than {limit_bytes:,} bytes")
        if len(seen) >= MEMBER_LIMIT:
            raise unsafe(file, f"holds more than {MEMBER_LIMIT:,} members")
        if not parts:
            continue
        if (other := seen.get(parts)) and (other.kind, member.kind) != ("folder", "folder"):
            raise unsafe(file, f"holds {member.name!r} twice, as {other.kind} and as {member.kind}")
        if member.kind == "hard link":
            named = seen.get(relative(member.target, file))
            if named is None or named.kind not in ("file", "hard link"):
                raise unsafe(file, f"holds {member.name!r}, a hard link to {member.target!r}, no file of it before")
        seen[parts] = member
    if not seen:
        raise damaged(file, "it is empty")
    top = _top(seen, file)
    _look_at_parents(seen, file)
    _look_at_links(seen, len(top), file)
    for member in seen.values():
        if member.objection:
            raise unsafe(file, f"holds {member.name!r}, which Python's own rules refuse: {member.objection}")
    return Plan("/".join(top), size)


def _alone(member: Member, file: Path) -> Parts:
    """What can be said of a member without the others."""
    parts = relative(member.name, file)
    if member.kind == "special":
        raise unsafe(file, f"holds {member.name!r}, a device, pipe or other special file")
    if member.kind == "file" and member.mode & _SETUID_OR_SETGID:
        raise unsafe(file, f"holds {member.name!r}, which is setuid or setgid ({member.mode & 0o7777:04o})")
    if member.kind != "folder" and not parts:
        raise unsafe(file, f"holds {member.name!r}, which is no name")
    if len(member.target) > LINK_LIMIT_BYTES:
        raise unsafe(file, f"holds {member.name!r}, a link of {len(member.target):,} characters")
    return parts


def _top(seen: dict[Parts, Member], file: Path) -> Parts:
    """The single top folder that is taken away."""
    if file.name.endswith((".deb", ".whl")):
        return ()
    tops = {parts[:1] for parts in seen}
    top = next(iter(tops))
    alone = len(tops) == 1 and len(seen) > 1
    return top if alone and (top not in seen or seen[top].kind == "folder") else ()


def _look_at_parents(seen: dict[Parts, Member], file: Path) -> None:
    """Nothing may lie below what is no folder: through a link it would be written where the link leads."""
    for parts, member in seen.items():
        for end in range(1, len(parts)):
            above = seen.get(parts[:end])
            if above is not None and above.kind != "folder":
                raise unsafe(file, f"holds {member.name!r} below {above.name!r}, which is a {above.kind}")


def _look_at_links(seen: dict[Parts, Member], depth: int, file: Path) -> None:
    links = {parts[depth:]: member.target for parts, member in seen.items() if member.kind == "link"}
    for parts, member in seen.items():
        if member.kind == "link" and leads_out(parts[depth:], links):
            raise unsafe(file, f"holds {member.name!r}, a link that leads out of its folder: {member.target!r}")


def leads_out(link: Parts, links: dict[Parts, str]) -> bool:
    """Whether following a link leaves the folder, by way of the archive's other links as well.

    Names alone do not tell: with ``a/b/up -> ../..``, ``a/b/up/..`` looks like ``a/b`` and is the folder above.
    """
    if links[link].startswith("/"):
        return True
    here, hops = list(link[:-1]), 0
    todo = list(reversed(links[link].split("/")))
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not here:
                return True
            here.pop()
            continue
        here.append(part)
        target = links.get(tuple(here))
        if target is None:
            continue
        hops += 1
        if target.startswith("/"):
            return True
        if hops > _HOPS:  # a circle: the kernel follows it nowhere
            return False
        here.pop()
        todo.extend(reversed(target.split("/")))
    return False
