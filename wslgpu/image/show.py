"""What can be said of a .wsl file without unpacking it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.build.errors import size_words
from wslgpu.errors import ErrorClass
from wslgpu.host_files import sha256_of_file
from wslgpu.image.contents import Contents, read
from wslgpu.image.documents import packages_of
from wslgpu.image.errors import ImageError
from wslgpu.image.rules_files import distribution_values


@dataclass(frozen=True)
class Described:
    """One image.

    :param components: what wslgpu put there, by component, with its state; empty for an image of others
    :param lock: digest of the lock that the components were applied from; empty where there was none
    """

    file: str
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    name: str
    system: str
    cloud_init: str
    components: dict[str, str]
    tool_version: str
    lock: str
    packages: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))

    def lines(self, *, packages: bool) -> list[str]:
        """For people."""
        rows = [
            ("file", self.file),
            ("sha256", self.sha256),
            ("size", f"{size_words(self.size_bytes)}, {size_words(self.unpacked_bytes)} unpacked"),
            ("registers as", self.name or "no name: the file cannot be opened in Windows"),
            ("system", self.system or "unknown"),
            ("cloud-init", self.cloud_init or "none: .cloud-init folders of Windows are not read"),
            ("made by", f"wslgpu {self.tool_version}" if self.tool_version else "not wslgpu"),
            ("lock", self.lock or "none"),
            ("components", ", ".join(self.components) or "none"),
            ("packages", str(len(self.packages))),
        ]
        found = [f"{key:<13} {value}" for key, value in rows]
        return found + ([f"  {name} {version}" for name, version in self.packages.items()] if packages else [])


def check_digest(file: Path) -> None:
    """Compare an image with the .sha256 file beside it, where there is one.

    :raises ImageError: it is another (integrity)
    """
    note = file.with_name(f"{file.name}.sha256")
    if not note.is_file() or not file.is_file():
        return
    stated = (note.read_text(errors="replace").split() or [""])[0]
    found = sha256_of_file(file)
    if stated != found:
        raise ImageError(
            f"has sha256 {found}; {note.name} says {stated}",
            str(file),
            "One of them is of another build, or damaged: fetch both again, or build again.",
            ErrorClass.INTEGRITY,
        )


def describe(file: Path) -> Described:
    """Read an image and say what it is.

    :raises ImageError: it cannot be read, or is no whole image
    """
    contents = read(file)
    manifest = _manifest(contents)
    found = manifest.get("components")
    # an image of somebody else's may have anything there
    components = {name: row for name, row in found.items() if isinstance(row, dict)} if isinstance(found, dict) else {}
    locks = sorted({str(row.get("lock", "")) for row in components.values()} - {""})
    packages = packages_of(contents.text("/var/lib/dpkg/status") or "")
    return Described(
        file=file.name,
        sha256=sha256_of_file(file),
        size_bytes=file.stat().st_size,
        unpacked_bytes=sum(member.size_bytes for member in contents.members),
        name=(distribution_values(contents) or {}).get("oobe.defaultname", ""),
        system=_system(contents),
        cloud_init=packages.get("cloud-init", ""),
        components={name: str(row.get("state", "")) for name, row in sorted(components.items())},
        tool_version=str(manifest.get("tool_version", "")),
        lock=", ".join(locks),
        packages=packages,
    )


def _manifest(contents: Contents) -> dict[str, Any]:
    try:
        document = json.loads(contents.text("/var/lib/wslgpu/manifest.json") or "{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _system(contents: Contents) -> str:
    found = contents.find("/etc/os-release")
    for line in (found[1].data.decode(errors="replace") if found else "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return ""
