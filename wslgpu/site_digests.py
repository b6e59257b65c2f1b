"""Writing resolved digests into site.yml, everything else in it left as it stands."""

from __future__ import annotations

import datetime
import os
import re
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from wslgpu.errors import DataError
from wslgpu.settings import Settings, load
from wslgpu.yaml_source import YamlDocument, load_yaml


def write_site_digests(site: Path, digests: Mapping[str, str], today: datetime.date | None = None) -> None:
    """Set the digests of the images of ``cuda_images`` in a site file, and that they were compared with their registry.

    Rows that the profile brings are written out into the site file, since a site's ``cuda_images`` replaces the
    profile's. The file appears whole or not at all, and only if it can be read back as settings.

    :param site: may be missing
    :param digests: by ``repository:tag``
    :raises DataError: the file is wrong, an image is not in it, or a row is written in a way that is not edited here
    """
    day = (today or _today()).isoformat()
    target = site.resolve()
    present, document = _read(target)
    rows = document.data.get("cuda_images") if isinstance(document.data, dict) else None
    text = _edited(present, document, digests, day) if rows else _appended(present, target, digests, day)

    def check(settings: Settings) -> None:
        wrong = [image.name for image in settings.cuda_images if digests.get(image.name, image.digest) != image.digest]
        if wrong:
            raise DataError(f"{wrong[0]} could not be given its digest", str(site), "Write it there by hand.")

    _replace(target, text, check)


def write_row_digest(site: Path, place: tuple[str, ...], digest: str, today: datetime.date | None = None) -> None:
    """Set the digest of an image in a row of one of the tables that a site adds rows to.

    A row that the site file does not have is written out into it. As with :func:`write_site_digests`, all or nothing.

    :param site: may be missing
    :param place: table, row, and what leads to the image in it: ``("device_plugins", "0.18.0")``
    :raises DataError: the file is wrong, or the row is written in a way that is not edited here
    """
    day = (today or _today()).isoformat()
    target = site.resolve()
    present, document = _read(target)
    values = {"digest": digest, "seen": f"asked the registry on {day}", "verified": True}
    if place[:2] in document.lines:
        lines = present.splitlines(keepends=True)
        _insert(lines, _set_values(lines, document, place, values))
        text = "".join(lines)
    else:
        text = _with_row(present, document, target, place, values)

    def check(settings: Settings) -> None:
        row: Any = settings.as_data()
        for part in place:
            row = row[part]
        if row["digest"] != digest:
            raise DataError(f"{'.'.join(place)} could not be given its digest", str(site), "Write it there by hand.")

    _replace(target, text, check)


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.timezone.utc).date()


def _read(target: Path) -> tuple[str, YamlDocument]:
    if not target.exists():
        return "", YamlDocument(target, {}, {})
    return target.read_bytes().decode("utf-8"), load_yaml(target)


def _replace(target: Path, text: str, check: Callable[[Settings], None]) -> None:
    """Put a text in the place of a site file, if what can be read of it is right."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        new.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        check(load(new))
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def _with_row(
    text: str, document: YamlDocument, target: Path, place: tuple[str, ...], values: Mapping[str, Any]
) -> str:
    """The text with the whole row in it: at the top of the site's own table, or with the table at the end."""
    table, name = place[:2]
    row: Any = (load(target) if target.exists() else load(Path(os.devnull))).as_data()[table][name]
    image = row
    for part in place[2:]:
        image = image[part]
    image |= values
    block = yaml.safe_dump({name: row}, sort_keys=False, allow_unicode=True, width=1000)
    where = document.where((table,))
    if not document.data.get(table):
        head = re.sub(rf"^{table}:\s*(\{{\s*\}}|null|~)?\s*(#.*)?\r?\n?", "", text, flags=re.MULTILINE)
        return f"{_ended(head)}{table}:\n{textwrap.indent(block, '  ')}"
    lines = text.splitlines(keepends=True)
    first = min(line for loc, line in document.lines.items() if len(loc) == 2 and loc[0] == table)
    indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    if first == document.lines[(table,)] or not indent:
        raise DataError(f"{table}: this table is not written one row a line", where, f"Write the row {name} by hand.")
    lines.insert(first - 1, textwrap.indent(block, indent))
    return "".join(lines)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


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
        values = {"digest": digests[name], "seen": f"asked the registry on {day}", "verified": True}
        insertions += _set_values(lines, document, ("cuda_images", index), values)
    if left:
        raise DataError(f"cuda_images has no row for {sorted(left)[0]}", document.where(("cuda_images",)))
    _insert(lines, insertions)
    return "".join(lines)


def _set_values(
    lines: list[str], document: YamlDocument, place: tuple[str | int, ...], values: Mapping[str, Any]
) -> list[tuple[int, str]]:
    """Change the values of a row where its keys stand; what has no key yet comes back as (after this line, line)."""
    number = document.lines.get((*place, "digest"))
    if number is None:
        raise DataError(f"{place[-1]}: this row has no digest", document.where(place), "Write it there by hand.")
    insertions: list[tuple[int, str]] = []
    for key, value in values.items():
        word = str(value).lower() if isinstance(value, bool) else value
        at = document.lines.get((*place, key))
        if at is not None:
            lines[at - 1] = _with_value(lines[at - 1], key, word, document.where((*place, key)))
        else:
            insertions.append((number, f"{' ' * lines[number - 1].index('digest')}{key}: {word}\n"))
    return insertions


def _insert(lines: list[str], insertions: list[tuple[int, str]]) -> None:
    for number, line in sorted(insertions, key=lambda item: item[0], reverse=True):
        lines.insert(number, line)


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
    block = yaml.safe_dump({"cuda_images": rows}, sort_keys=False, allow_unicode=True, width=120)
    return f"{_ended(head)}{block}"
