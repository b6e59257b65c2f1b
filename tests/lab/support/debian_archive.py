"""A small Debian archive on loopback, signed by a key of its own: apt cannot tell it from a big one."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

from tests.unit.source_server import Source, serving


class DebianArchive:
    """Source packages of one release.

    :param home: of gpg; in a short path, since its agent's socket must fit in 108 characters
    """

    def __init__(self, source: Source, home: Path) -> None:
        self.source, self.home = source, home
        self.keyring = home / "archive.gpg"
        self.stanzas: list[str] = []
        self._gpg("--passphrase", "", "--quick-gen-key", "Archive of a test <archive@test.invalid>", "rsa2048", "sign")
        self.keyring.write_bytes(self._gpg("--export"))

    @property
    def address(self) -> str:
        return f"{self.source.url}/debian"

    def add(self, package: str, version: str, file: str, content: bytes) -> None:
        """A source package with one file of upstream's."""
        place = self.source.folder / "debian/pool/main" / package / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        rows = f" {digest} {len(content)} {file}"
        self.stanzas.append(
            f"Package: {package}\nVersion: {version}\nDirectory: pool/main/{package}\nChecksums-Sha256:\n{rows}\n"
        )
        self.publish()

    def remove(self, package: str) -> None:
        """As an archive does with what was superseded."""
        self.stanzas = [stanza for stanza in self.stanzas if not stanza.startswith(f"Package: {package}\n")]
        self.publish()

    def publish(self) -> None:
        """Write the index, and sign it."""
        suite = self.source.folder / "debian/dists/trixie"
        (suite / "main/source").mkdir(parents=True, exist_ok=True)
        index = "\n".join(self.stanzas).encode()
        (suite / "main/source/Sources").write_bytes(index)
        release = (
            "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: trixie\n"
            f"Date: {formatdate(usegmt=True)}\nArchitectures: amd64\nComponents: main\nSHA256:\n"
            f" {hashlib.sha256(index).hexdigest()} {len(index)} main/source/Sources\n"
        )
        (suite / "InRelease").write_bytes(self._gpg("--clearsign", stdin=release.encode()))

    def _gpg(self, *words: str, stdin: bytes = b"") -> bytes:
        options = ["--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--yes"]
        return subprocess.run(["gpg", *options, *words], input=stdin, capture_output=True, check=True).stdout

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=True)


@contextmanager
def debian_archive(folder: Path, home: Path) -> Iterator[DebianArchive]:
    """An archive for one test."""
    home.chmod(0o700)
    with serving(folder) as source:
        archive = DebianArchive(source, home)
        try:
            yield archive
        finally:
            archive.close()
