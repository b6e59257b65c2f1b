"""A row of builds.yml for a file that a Debian release has."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import yaml

from wslgpu.build.distribution import FoundFile
from wslgpu.build.pins import DebianOrigin, SourcePin

NO_LICENCE = "NOASSERTION"
"""SPDX's word for what nobody has looked at."""


def row_of(found: FoundFile) -> tuple[str, SourcePin]:
    """Id and pin; the hash is that of the signed index, and nobody has compared the file yet."""
    version = found.upstream_version
    part = re.search(r"\.orig-([a-z0-9-]+)\.tar\.", found.file)
    name = "-".join((found.package, version, *(part.groups() if part else ()))).lower()
    day = datetime.now(timezone.utc).date().isoformat()
    pin = SourcePin(
        name=found.package,
        version=version,
        file=found.file,
        debian=DebianOrigin(release=found.release, package=found.package, kind=found.kind),
        sha256=found.sha256,
        size_bytes=found.size_bytes,
        licence=NO_LICENCE,
        checked_against=f"Debian's signed index of {found.release}, {day}",
    )
    return re.sub(r"[^a-z0-9.+-]", "-", name), pin


def yaml_of(rows: dict[str, Any]) -> str:
    """The text of rows, indented as below a key."""
    text = yaml.safe_dump(rows, sort_keys=False, default_flow_style=None, width=1000, allow_unicode=True)
    return "".join(f"  {line}\n" for line in text.splitlines())
