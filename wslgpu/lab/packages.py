"""A signed apt repository in the shape of NVIDIA's: flat, with a key of the lab's own, and ways to spoil it.

Every change ends in `publish`, which writes Packages and Release anew and signs them, unless it is the signing
or what comes after it that a fault is about.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

from wslgpu.errors import ErrorClass
from wslgpu.host_files import write_atomically
from wslgpu.lab.errors import LabError
from wslgpu.lab.shell import run

PATH = "libnvidia-container/stable/deb/amd64"
KEY_PATH = "libnvidia-container/gpgkey"
INDEXES = ("Packages", "Packages.gz")


@dataclass(frozen=True)
class Key:
    """A signing key: files in the lab's directory. ``expired_public`` is the same key with an end that is past."""

    secret: Path

    @property
    def public(self) -> Path:
        return self.secret.with_suffix(".pub")

    @property
    def expired_public(self) -> Path:
        return self.secret.with_suffix(".expired.pub")

    @property
    def fingerprint(self) -> str:
        return self.secret.with_suffix(".fingerprint").read_text()


class Repository:
    """A package repository of one lab, served from ``directory``/www.

    :param path: where it is below that; by itself where NVIDIA's would be
    """

    def __init__(self, directory: Path, path: str = PATH) -> None:
        self.directory = directory
        self.www = directory / "www"
        self.folder = self.www / path
        self.key_file = self.www / KEY_PATH
        self._keys = directory / "keys"

    def create(self, debs: Iterable[Path]) -> None:
        """Copy ``debs`` in, make the lab's key, and publish."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for deb in debs:
            shutil.copyfile(deb, self.folder / deb.name)
        self.install_key(self.make_key("lab"))
        self.publish()

    # keys

    def make_key(self, name: str) -> Key:
        """Make (or find) a signing key of this lab, made at the beginning of 2024 and good for ever.

        NAME.expired.pub is the same key as it was published when it still had an end, which is past.
        """
        key = Key(self._keys / f"{name}.asc")
        note = key.secret.with_suffix(".fingerprint")
        if not note.exists():
            self._keys.mkdir(mode=0o700, exist_ok=True)
            user = f"wslgpu lab {name} <lab@invalid>"
            with _keyring() as gpg:
                past: list[str | Path] = [*gpg, "--faked-system-time", "20240101T000000!"]
                run([*past, "--passphrase", "", "--quick-generate-key", user, "rsa2048", "sign", "never"])
                listing = run([*gpg, "--with-colons", "--list-secret-keys"]).stdout
                fingerprint = next(row.split(":")[9] for row in listing.splitlines() if row.startswith("fpr:"))
                write_atomically(key.secret, run([*gpg, "--armor", "--export-secret-keys"]).stdout, 0o600)
                write_atomically(key.public, run([*gpg, "--armor", "--export"]).stdout)
                later: list[str | Path] = [*gpg, "--faked-system-time", "20240201T000000!"]
                run([*later, "--passphrase", "", "--quick-set-expire", fingerprint, "30d"])
                write_atomically(key.expired_public, run([*gpg, "--armor", "--export"]).stdout)
            write_atomically(note, fingerprint)
        return key

    def install_key(self, key: Key, *, expired: bool = False) -> None:
        """Publish ``key`` where nodes fetch the key from."""
        write_atomically(self.key_file, (key.expired_public if expired else key.public).read_text())

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the lab's own key: what site.yml tells the deploy to expect."""
        return self.make_key("lab").fingerprint

    # publishing

    def publish(self, key: Key | None = None, *, date: datetime | None = None) -> None:
        """Write the indexes of what is in the folder, and Release, signed by ``key`` (the lab's own)."""
        packages = "\n".join(_stanza(deb) for deb in self.debs())
        write_atomically(self.folder / "Packages", packages)
        write_atomically(self.folder / "Packages.gz", gzip.compress(packages.encode(), mtime=0))
        self.sign(key, date=date)

    def sign(self, key: Key | None = None, *, date: datetime | None = None) -> None:
        """Write and sign Release over the indexes as they are."""
        release = self._release(date or datetime.now(timezone.utc))
        signer = key or self.make_key("lab")
        with _keyring() as gpg:
            run([*gpg, "--import", signer.secret])
            clear = run([*gpg, "--clearsign", "--output", "-"], stdin=release.encode()).stdout
            detached = run([*gpg, "--armor", "--detach-sign", "--output", "-"], stdin=release.encode()).stdout
        write_atomically(self.folder / "Release", release)
        write_atomically(self.folder / "InRelease", clear)
        write_atomically(self.folder / "Release.gpg", detached)

    def _release(self, date: datetime) -> str:
        lines = [
            "Origin: wslgpu lab (stand-in for https://nvidia.github.io/libnvidia-container)",
            "Label: wslgpu lab",
            f"Date: {format_datetime(date.astimezone(timezone.utc), usegmt=True).replace('GMT', 'UTC')}",
            "Architectures: amd64",
        ]
        for title, algorithm in (("MD5Sum", "md5"), ("SHA256", "sha256")):
            lines.append(f"{title}:")
            for name in INDEXES:
                data = (self.folder / name).read_bytes()
                lines.append(f" {hashlib.new(algorithm, data).hexdigest()} {len(data)} {name}")
        return "\n".join(lines) + "\n"

    def debs(self) -> list[Path]:
        return sorted(self.folder.glob("*.deb"))

    # faults

    def sign_with_other_key(self) -> Key:
        """Row 12: the publisher has changed the key, and the key that nodes can fetch with it."""
        key = self.make_key("other")
        self.install_key(key)
        self.sign(key)
        return key

    def publish_expired_key(self) -> Key:
        """Row 11: the key that nodes can fetch has expired. It is the lab's own, fingerprint and all."""
        key = self.make_key("lab")
        self.install_key(key, expired=True)
        self.sign(key)
        return key

    def repair(self) -> None:
        """The lab's own key again, and indexes of what is in the folder. Spoilt or deleted packages stay so."""
        self.install_key(self.make_key("lab"))
        self.publish()

    def corrupt_deb(self, name_part: str) -> Path:
        """Row 18: flip a byte in the middle of one package, the indexes left as they are."""
        deb = self._one(name_part)
        data = bytearray(deb.read_bytes())
        data[len(data) // 2] ^= 0xFF
        deb.write_bytes(data)
        return deb

    def edit_packages(self, line: str = "\n") -> None:
        """Row 14: the indexes change after they were signed."""
        path = self.folder / "Packages"
        text = path.read_text() + line
        write_atomically(path, text)
        write_atomically(self.folder / "Packages.gz", gzip.compress(text.encode(), mtime=0))

    def delete_version(self, version: str) -> list[str]:
        """Row 15: a version is no longer there. Returns the names of the deleted files."""
        gone = [deb for deb in self.debs() if f"_{version}_" in deb.name]
        for deb in gone:
            deb.unlink()
        self.publish()
        return [deb.name for deb in gone]

    def date_release(self, ahead: timedelta) -> None:
        """Row 23: Release is dated ``ahead`` of now."""
        self.sign(date=datetime.now(timezone.utc) + ahead)

    def _one(self, name_part: str) -> Path:
        found = [deb for deb in self.debs() if name_part in deb.name]
        if len(found) != 1:
            raise LabError(
                what=f"{len(found)} packages have {name_part!r} in their name, not one",
                where=str(self.folder),
                next_step=f"one of {', '.join(deb.name for deb in self.debs())}",
                error_class=ErrorClass.USAGE,
            )
        return found[0]


def _stanza(deb: Path) -> str:
    data = deb.read_bytes()
    control = run(["dpkg-deb", "--field", deb]).stdout.rstrip("\n")
    return (
        f"{control}\nFilename: ./{deb.name}\nSize: {len(data)}\n"
        f"MD5sum: {hashlib.md5(data, usedforsecurity=False).hexdigest()}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
    )


@contextmanager
def _keyring() -> Iterator[list[str | Path]]:
    """A gpg command line with a keyring that is deleted at the end, agent included.

    In the system's temporary folder: gpg-agent's socket must fit in 108 characters.
    """
    with tempfile.TemporaryDirectory(prefix="wlgpg-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o700)
        gpg: list[str | Path] = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback"]
        try:
            yield gpg
        finally:
            run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
            _wait_for_agent(Path(home))


def _wait_for_agent(home: Path) -> None:
    for _ in range(50):
        if not (home / "S.gpg-agent").exists():
            return
        time.sleep(0.01)
