"""Writing resolved digests into site.yml, everything else in it left as it stands."""

from __future__ import annotations

import datetime
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from wslgpu.errors import DataError
from wslgpu.settings import load
from wslgpu.yaml_source import YamlDocument, load_yaml


def write_site_digests(site: Path, digests: Mapping[str, str], today: datetime.date | None = None) -> None:
    """Set the digests of images in a site file, and that they were compared with their registry.

    Rows that the profile brings are written out into the site file, since a site's ``cuda_images`` replaces the
    profile's. The file appears whole or not at all, and only if it can be read back as settings.

    :param site: may be missing
    :param digests: by ``repository:tag``
    :raises DataError: the file is wrong, an image is not in it, or a row is written in a way that is not edited here
    """
    day = (today or datetime.datetime.now(datetime.timezone.utc).date()).isoformat()
    target = site.resolve()
    present = target.read_bytes().decode("utf-8") if target.exists() else ""
    document = load_yaml(target) if target.exists() else YamlDocument(target, {}, {})
    rows = document.data.get("cuda_images") if isinstance(document.data, dict) else None
    text = _edited(present, document, digests, day) if rows else _appended(present, target, digests, day)
    directory = target.parent
    handle, name = tempfile.mkstemp(dir=directory, prefix=f".{target.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        new.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        wrong = [image.name for image in load(new).cuda_images if digests.get(image.name, image.digest) != image.digest]
        if wrong:
            raise DataError(f"{wrong[0]} could not be given its digest", str(site), "Write it there by hand.")
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def _edited(text: str, document: YamlDocument, digests: Mapping[str, str], day: str) -> str:
    """The same text with the digest, seen and verified of each named row changed or added, line by line."""
    lines = text.splitlines(keepends=True)
    insertions: list[tuple[int, str]] = []
    left = set(digests)
    for index, row in enumerate(document.data["cuda_images"]):
        name = f"{row.get('repository')}:{row.get('tag')}"
        if name not in digests:
            continue
        left.discard(name)
        values = {"digest": digests[name], "seen": f"asked the registry on {day}", "verified": "true"}
        number = document.lines[("cuda_images", index, "digest")]
        for key, value in values.items():
            at = document.lines.get(("cuda_images", index, key))
            if at is not None:
                lines[at - 1] = _with_value(lines[at - 1], key, value, document.where(("cuda_images", index, key)))
            else:
                indent = " " * lines[number - 1].index("digest")
                insertions.append((number, f"{indent}{key}: {value}\n"))
    if left:
        raise DataError(f"cuda_images has no row for {sorted(left)[0]}", document.where(("cuda_images",)))
    for number, line in sorted(insertions, key=lambda item: item[0], reverse=True):
        lines.insert(number, line)
    return "".join(lines)


def _with_value(line: str, key: str, value: str, where: str) -> str:
    match = re.fullmatch(rf"(\s*(?:-\s+)?{key}:\s*)('[^']*'|\"[^\"]*\"|[^#\s][^#]*?)?(\s*(?:\s#.*)?\r?\n?)", line)
    if match is None:
        raise DataError(f"{key}: this row is not written one key a line", where, f"Set {key}: {value} by hand.")
    return f"{match[1].rstrip()} {value}{match[3]}"


def _appended(text: str, target: Path, digests: Mapping[str, str], day: str) -> str:
    """The text with the profile's rows after it, the resolved ones with their digests."""
    settings = load(target) if target.exists() else load(Path(os.devnull))
    rows: list[dict[str, Any]] = []
    for image in settings.cuda_images:
        row = image.model_dump(mode="json")
        if image.name in digests:
            row |= {"digest": digests[image.name], "seen": f"asked the registry on {day}", "verified": True}
        rows.append(row)
    if missing := set(digests) - {image.name for image in settings.cuda_images}:
        raise DataError(f"cuda_images has no row for {sorted(missing)[0]}", str(target))
    head = re.sub(r"^cuda_images:\s*(\[\s*\]|null|~)?\s*(#.*)?\r?\n?", "", text, flags=re.MULTILINE)
    if head and not head.endswith("\n"):
        head += "\n"
    block = yaml.safe_dump({"cuda_images": rows}, sort_keys=False, allow_unicode=True, width=120)
    return f"{head}{block}"
