"""A .wsl file of a few members that breaks no rule, to be broken one rule at a time."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from wslgpu.image.parts import parts

EPOCH = 1_760_000_000
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(60)
PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"
SHADOW = "root:*:20370:0:99999:7:::\ndaemon:!*:20370:0:99999:7:::\nsshd:!:20370::::::\n"


@dataclass(frozen=True)
class Row:
    """One member: a file, or with a target a link, or a kind of its own."""

    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    target: str = ""
    kind: bytes = tarfile.REGTYPE


FOLDER = Row(mode=0o755, kind=tarfile.DIRTYPE)


@dataclass
class SmallImage:
    """Members by name, to be changed and written."""

    rows: dict[str, Row] = field(default_factory=dict)
    extra: list[tuple[str, Row]] = field(default_factory=list)

    @classmethod
    def good(cls) -> SmallImage:
        rows = dict.fromkeys(("etc", "etc/ssh", "usr", "var", "var/log", "home", "root"), FOLDER)
        rows |= {
            "bin": Row(target="usr/bin"),
            "sbin": Row(target="usr/sbin"),
            "usr/bin/bash": Row(ELF, 0o755),
            "usr/bin/dash": Row(ELF, 0o755),
            "usr/bin/sh": Row(target="dash"),
            "usr/sbin/init": Row(target="../lib/systemd/systemd"),
            "usr/lib/systemd/systemd": Row(ELF, 0o755),
            "usr/lib/systemd/system/tmp.mount": Row(b"[Mount]\n"),
            "usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service": Row(
                target="../systemd-tmpfiles-setup.service"
            ),
            "usr/lib/systemd/system/systemd-tmpfiles-setup.service": Row(b"[Service]\n"),
            "usr/lib/systemd/user/basic.target.wants/systemd-tmpfiles-setup.service": Row(
                target="../systemd-tmpfiles-setup.service"
            ),
            "usr/lib/systemd/user/systemd-tmpfiles-setup.service": Row(b"[Service]\n"),
            "etc/passwd": Row(PASSWD.encode()),
            "etc/shadow": Row(SHADOW.encode(), 0o640, gid=42),
            "etc/machine-id": Row(b"", 0o444),
        }
        for part in parts(name="small", wsl_conf={"boot": {"systemd": True}}, cloud_init=True):
            rows[part.path.lstrip("/")] = Row(part.content, part.mode, target=part.target)
        return cls(rows)

    def change(self, name: str, **fields: object) -> None:
        self.rows[name] = replace(self.rows[name], **fields)  # type: ignore[arg-type]

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace words of a file."""
        data = self.rows[name].data
        assert old.encode() in data, f"{name} has no {old!r}"
        self.change(name, data=data.replace(old.encode(), new.encode()))

    def tar(self, prefix: str = "") -> bytes:
        """The archive, not compressed."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, row in [*sorted(self.rows.items()), *self.extra]:
                info = tarfile.TarInfo(prefix + name)
                info.mode, info.uid, info.gid, info.mtime = row.mode, row.uid, row.gid, EPOCH
                info.type = tarfile.SYMTYPE if row.target and row.kind == tarfile.REGTYPE else row.kind
                info.linkname, info.size = row.target, len(row.data)
                archive.addfile(info, io.BytesIO(row.data))
        return buffer.getvalue()

    def write(self, path: Path, prefix: str = "") -> Path:
        path.write_bytes(gzip.compress(self.tar(prefix), mtime=0))
        return path
