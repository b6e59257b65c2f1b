"""Archives that somebody made by hand, to lead an unpacker astray."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEVICES = {"c": tarfile.CHRTYPE, "b": tarfile.BLKTYPE, "p": tarfile.FIFOTYPE}
LINKS = {"l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE}
WRITERS: dict[str, Any] = {".tar": "w:", ".tar.gz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


@dataclass(frozen=True)
class Entry:
    """A member.

    :param kind: f file, d folder, l link, h hard link, c and b device, p pipe
    """

    name: str
    kind: str = "f"
    content: bytes = b"content\n"
    target: str = ""
    mode: int = 0o644
    mtime: int = 1_600_000_000


def tar(path: Path, *entries: Entry) -> Path:
    """A tar as it is written, compressed as the name says."""
    with tarfile.open(path, WRITERS["".join(path.suffixes[-2:]) if ".tar." in path.name else ".tar"]) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.mode, info.mtime, info.linkname = entry.mode, entry.mtime, entry.target
            info.uid = info.gid = 4711
            if entry.kind == "f":
                info.size = len(entry.content)
            info.type = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, **LINKS, **DEVICES}[entry.kind]
            archive.addfile(info, io.BytesIO(entry.content))
    return path


def deb(path: Path, data: Path) -> Path:
    """A .deb around a data.tar, after deb(5)."""

    def member(name: str, content: bytes) -> bytes:
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        return header + content + b"\n" * (len(content) % 2)

    name = "data.tar" + "".join(data.suffixes).removeprefix(".tar")
    members = member("debian-binary", b"2.0\n") + member("control.tar", b"odd") + member(name, data.read_bytes())
    path.write_bytes(b"!<arch>\n" + members)
    return path


def zipped(path: Path, *entries: Entry) -> Path:
    """A zip as Unix programs write it."""
    kinds = {"f": stat.S_IFREG, "d": stat.S_IFDIR, "l": stat.S_IFLNK, "c": stat.S_IFCHR, "p": stat.S_IFIFO}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name + ("/" if entry.kind == "d" else ""), (2020, 9, 13, 12, 26, 40))
            info.create_system = 3
            info.external_attr = (kinds[entry.kind] | entry.mode) << 16
            archive.writestr(info, entry.target if entry.kind == "l" else entry.content)
    return path


TOP = Entry("top", "d", mode=0o755)
# what each is refused for; {out} is a folder beside the target that holds a canary
UNSAFE: dict[str, tuple[tuple[Entry, ...], str]] = {
    "parent": ((Entry("../evil"),), "leads out"),
    "parent deep inside": ((TOP, Entry("top/a/../../../evil")), "leads out"),
    "parent that comes back": ((TOP, Entry("top/../top/evil")), "leads out"),
    "absolute": ((Entry("/{out}/evil"),), "absolute"),
    "absolute with many slashes": ((Entry("///{out}/evil"),), "absolute"),
    "link to an absolute name": ((TOP, Entry("top/link", "l", target="/{out}")), "leads out"),
    "link above": ((TOP, Entry("top/link", "l", target="../../{out}")), "leads out"),
    "link above the folder that is taken away": ((TOP, Entry("top/link", "l", target="../x")), "leads out"),
    "link through a link": (
        (
            TOP,
            Entry("top/a/b/up", "l", target="../.."),
            Entry("top/link", "l", target="a/b/up/../../{out}"),
        ),
        "leads out",
    ),
    "link through a link that comes later": (
        (
            TOP,
            Entry("top/link", "l", target="a/b/up/../../{out}"),
            Entry("top/a/b/up", "l", target="../.."),
        ),
        "leads out",
    ),
    "hard link out": ((TOP, Entry("top/hard", "h", target="../../{out}/canary")), "leads out"),
    "hard link to an absolute name": ((TOP, Entry("top/hard", "h", target="/{out}/canary")), "absolute"),
    "hard link to nothing": ((TOP, Entry("top/hard", "h", target="top/later"), Entry("top/later")), "no file of it"),
    "hard link to a link": (
        (TOP, Entry("top/l", "l", target="x"), Entry("top/hard", "h", target="top/l")),
        "no file of it",
    ),
    "file through a link": (
        (TOP, Entry("top/d", "d"), Entry("top/link", "l", target="d"), Entry("top/link/evil")),
        "below",
    ),
    "file first, then the link above it": (
        (TOP, Entry("top/link/evil"), Entry("top/link", "l", target="elsewhere")),
        "below",
    ),
    "link and file of one name": ((TOP, Entry("top/x", "l", target="y"), Entry("top/x")), "twice"),
    "one name spelt twice": ((TOP, Entry("top/x", "l", target="y"), Entry("top//./x")), "twice"),
    "file below a file": ((TOP, Entry("top/x"), Entry("top/x/y")), "below"),
    "setuid": ((TOP, Entry("top/su", mode=0o4755)), "setuid"),
    "setgid": ((TOP, Entry("top/sg", mode=0o2755)), "setuid"),
    "device": ((TOP, Entry("top/null", "c")), "special file"),
    "block device": ((TOP, Entry("top/disk", "b")), "special file"),
    "pipe": ((TOP, Entry("top/pipe", "p")), "special file"),
    "link as the root": ((Entry(".", "l", target="{out}"), Entry("./evil")), "no name"),
}
IN_ZIP = tuple(
    name
    for name, (entries, _) in UNSAFE.items()
    if not any(entry.kind in "hb" for entry in entries) and name != "one name spelt twice"
)


def made(case: str, make: Callable[..., Path], path: Path, out: Path) -> Path:
    """The archive of a case of UNSAFE."""
    entries = []
    for entry in UNSAFE[case][0]:
        absolute = entry.name.startswith("/") or entry.target.startswith("/")
        place = str(out).lstrip("/") if absolute else out.name
        name, target = entry.name.replace("{out}", place), entry.target.replace("{out}", place)
        entries.append(Entry(name, entry.kind, entry.content, target, entry.mode))
    return make(path, *entries)
