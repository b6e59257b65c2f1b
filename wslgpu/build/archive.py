"""Archives unpacked without trusting them: every member is judged before the first is written.

Names that lead out of the folder, links that do, devices, setuid files, and names that mean two things are refused
as unsafe; what is damaged is refused as such. Either way nothing is left.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from wslgpu.build.archive_check import Plan, judged, relative
from wslgpu.build.archive_members import DAMAGED, PIECE, ArchiveError, Member, damaged, members
from wslgpu.build.errors import disk_full, named_trouble
from wslgpu.errors import ErrorClass

LIMIT_BYTES = 8 << 30
_SLACK_BYTES = 1 << 28
"""What headers and padding may add to the contents."""


def unpack(file: Path, target: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
    """Unpack an archive (.tar with any usual compression, .deb, .zip, .whl) as the folder ``target``.

    A single top folder is taken away, but not that of a .deb or wheel, whose members have their places. Modes become
    0755 or 0644, owners this user; times are kept. ``target`` appears whole or not at all.

    :param target: must not exist, or be an empty folder
    :param limit_bytes: what its files may add up to
    :raises ArchiveError: it is unsafe (safety), damaged (integrity), or of no known form (usage)
    :raises BuildError: it cannot be written; a full disk is named as such
    """
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        step = "Name a folder that does not exist yet."
        raise ArchiveError(f"{target.name} is there already", str(target), step, ErrorClass.USAGE)
    doing = f"unpacking {file.name}"
    with named_trouble(doing, target):
        with closing(members(file, limit_bytes + _SLACK_BYTES)) as found:
            plan = judged(file, found, limit_bytes)
        target.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(target.parent).free < plan.size_bytes:
            raise disk_full(doing, target.parent)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            with closing(members(file, limit_bytes + _SLACK_BYTES, filtered=False)) as found:
                _write(file, found, plan, temporary)
            temporary.chmod(0o755)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _write(file: Path, entries: Iterator[Member], plan: Plan, root: Path) -> None:
    depth = len(plan.top.split("/")) if plan.top else 0
    folders: list[tuple[Path, int]] = []
    for member in entries:
        parts = relative(member.name, file)[depth:]
        if not parts:
            continue
        place = root.joinpath(*parts)
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if member.kind == "folder":
            place.mkdir(mode=0o755, exist_ok=True)
            folders.append((place, member.mtime))
        elif member.kind == "link":
            place.symlink_to(member.target)
        elif member.kind == "hard link":
            os.link(root.joinpath(*relative(member.target, file)[depth:]), place, follow_symlinks=False)
        else:
            _write_file(file, member, place)
    for place, mtime in reversed(folders):  # last, since writing into a folder changes its time
        os.utime(place, (mtime, mtime))


def _write_file(file: Path, member: Member, place: Path) -> None:
    with member.content() as content, place.open("xb") as handle:
        left = member.size_bytes
        while left:
            try:
                piece = content.read(min(PIECE, left))
            except DAMAGED as error:
                raise damaged(file, error) from error
            if not piece:
                raise damaged(file, f"{member.name!r} ends too early")
            handle.write(piece)
            left -= len(piece)
        os.fchmod(handle.fileno(), 0o755 if member.mode & 0o111 else 0o644)
        handle.flush()
        os.utime(handle.fileno(), (member.mtime, member.mtime))
