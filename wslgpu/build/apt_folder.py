"""A private apt: its own lists, sources and keyring below one folder, and the machine's ways to reach the network."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build.access import Access
from wslgpu.debian_root import KEYRING
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.host_files import write_atomically
from wslgpu.programs import TAIL_CHARS, Result, run
from wslgpu.site_access import apt_credentials, apt_proxy

HELPER = "/usr/lib/apt/apt-helper"
UPDATE_TIMEOUT_S = 900
RETRIES = 3
# how the network is reached and how old an index may be; everything else of the machine's apt could run hooks, or
# leave signatures unread
_KEPT = re.compile(r"^Acquire::(?:https?|ftp|Check-Valid-Until|Check-Date|Max-ValidTime|ForceIPv4|ForceIPv6)[: ].*;$")
_INTEGRITY = ("Hash Sum mismatch", "NO_PUBKEY", "BADSIG", "EXPKEYSIG", "not signed", "signature", "ertificate")
_DNS = ("Temporary failure resolving", "Could not resolve")


@dataclass(frozen=True)
class Index:
    """One list that was fetched.

    :param uri: of the repository, to which the paths in the list are relative
    """

    uri: str
    suite: str
    file: Path


class Apt:
    """apt in ``folder``."""

    def __init__(self, folder: Path, access: Access) -> None:
        self.folder = folder
        self.access = access
        for below in ("lists/partial", "archives/partial", "parts"):
            (folder / below).mkdir(parents=True, exist_ok=True)
        if not (folder / "status").exists():
            write_atomically(folder / "status", "")
        if access.proxy_url and access.credentials:
            write_atomically(folder / "auth.conf", apt_credentials(access.proxy_url, access.credentials), 0o600)
        write_atomically(folder / "apt.conf", self._configuration(), 0o600)

    def update(self, sources: list[tuple[str, str]], word: str, release: str) -> None:
        """Fetch the lists of ``sources``; a suite beside the release's own may be missing.

        :param word: ``deb`` or ``deb-src``
        :raises WslgpuError: of class network where it is worth a retry, integrity where a signature or hash is wrong
        """
        option = f"[arch=amd64 signed-by={KEYRING}]"
        lines = [f"{word} {option} {address} {suite} main\n" for address, suite in sources]
        write_atomically(self.folder / "sources.list", "".join(lines))
        result = self._run(["apt-get", "-q", "update"], UPDATE_TIMEOUT_S)
        if result.ok and any(index.suite == release for index in self.indexes()):
            return
        if not _distrusted(result.stderr) and any(index.suite == release for index in self.indexes()):
            return
        raise failed(f"Debian's archive did not give its index of {release}", result, " ".join(lines[0].split()[2:]))

    def indexes(self) -> Iterator[Index]:
        """The lists that are there."""
        form = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(FILENAME)"
        for line in self._run(["apt-get", "indextargets", "--format", form], 60).stdout.splitlines():
            kind, uri, suite, file = line.split("|", 3)
            if kind in ("Packages", "Sources") and Path(file).exists():
                yield Index(uri, suite, Path(file))

    def read(self, file: Path) -> str:
        """A list's text, whatever it is compressed with."""
        return self._run([HELPER, "cat-file", str(file)], 120).stdout

    def fetch(self, uri: str, target: Path, sha256: str, timeout_s: float) -> None:
        """One file, compared with its hash by apt.

        :raises WslgpuError: as ``update``
        """
        result = self._run([HELPER, "download-file", uri, str(target), f"SHA256:{sha256}"], timeout_s)
        if not result.ok:
            target.unlink(missing_ok=True)
            raise failed("Debian's archive did not give the file", result, uri)

    def _run(self, words: list[str], timeout_s: float) -> Result:
        env = {"APT_CONFIG": str(self.folder / "apt.conf"), **self.access.environment()}
        return run(words, timeout_s=timeout_s, env=env, check=False, missing="Debian or Ubuntu is needed")

    def _configuration(self) -> str:
        folder = self.folder
        machine = run(["apt-config", "dump"], check=False, missing="Debian or Ubuntu is needed").stdout
        lines = [line for line in machine.splitlines() if _KEPT.match(line)]
        own = {
            "Dir::Etc::Main": "/dev/null",
            "Dir::Etc::Parts": folder / "parts",
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": folder / "parts",
            "Dir::Etc::Trusted": "/dev/null",
            "Dir::Etc::TrustedParts": folder / "parts",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": folder / "parts",
            "Dir::Etc::Netrc": folder / "auth.conf",
            "Dir::State": folder,
            "Dir::State::Lists": folder / "lists",
            "Dir::State::Status": folder / "status",
            "Dir::Cache": folder,
            "Dir::Cache::Archives": folder / "archives",
            "Dir::Cache::PkgCache": "",
            "Dir::Cache::SrcPkgCache": "",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "_apt" if _open_to_all(folder) else "root",
            "APT::Get::List-Cleanup": "true",
            "Acquire::Languages": "none",
            "Acquire::Retries": RETRIES,
            "Acquire::GzipIndexes": "false",
        }
        lines += [f'{key} "{value}";' for key, value in own.items()]
        lines.append("#clear APT::Architectures;")
        if self.access.proxy_url:
            lines.append(apt_proxy(self.access.proxy_url, list(self.access.no_proxy)))
        if self.access.authorities:
            lines.append(f'Acquire::https::CaInfo "{self.access.bundle()}";')
        return "\n".join(lines) + "\n"


def _open_to_all(folder: Path) -> bool:
    """Whether apt's own unprivileged user, which downloads when root asks, can get there."""
    if os.geteuid() != 0:
        return False
    return all(stat.S_IXOTH & place.stat().st_mode for place in (folder, *folder.resolve().parents))


def _distrusted(text: str) -> bool:
    return any(word in text for word in _INTEGRITY)


def failed(what: str, result: Result, where: str) -> WslgpuError:
    """The error for apt's messages."""
    lines = [line for line in result.stderr.splitlines() if line.startswith(("E:", "W:", "Err"))]
    said = [line for line in lines if "unsandboxed" not in line]
    text = "; ".join(said)[:TAIL_CHARS] or "it said nothing"
    if _distrusted(text):
        step = "Nothing of it is used. A proxy that alters files, or another key: compare before trusting it."
        return WslgpuError(f"{what}: {text}", where, step, ErrorClass.INTEGRITY)
    if any(word in text for word in _DNS):
        return WslgpuError(f"{what}: DNS gives no address", where, "Check DNS.", ErrorClass.NETWORK, True)
    if re.search(r"\b404\s+Not Found", text) or "does not have a Release file" in text:
        return WslgpuError(f"{what}: it is not there", where, "Look what the release is called.", ErrorClass.PLATFORM)
    return WslgpuError(f"{what}: {text}", where, "Check the connection and the proxy.", ErrorClass.NETWORK, True)
