"""Observation documents as files: read for ``judge``, written by ``--save``, redacted unless asked for otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wslgpu.check.files import file_names, read_bounded, write_whole
from wslgpu.errors import UsageError
from wslgpu.probe.channels import LOCAL, Target
from wslgpu.probe.document import DocumentError, parse
from wslgpu.probe.gather import Answer


def from_files(paths: Sequence[Path]) -> list[Answer]:
    """Observation documents that were saved; each is named by its file's name without suffix, where that is enough.

    A file that is no observation document is a node that could not be probed.

    :raises UsageError: a file that cannot be read
    """
    stems = [path.stem for path in paths]
    answers = []
    for path in paths:
        target = _named(path.stem if stems.count(path.stem) == 1 else str(path))
        raw = read_bounded(path)
        if re.match(rb'\s*{\s*"schema"\s*:\s*"wslgpu\.check/', raw):
            step = "Judge what `--save` wrote; reports are held against each other by `wslgpu check --compare A B`."
            answers.append(Answer(target, error=UsageError("is a report, not observations", str(path), step)))
            continue
        try:
            answers.append(Answer(target, parse(raw, str(path))))
        except DocumentError as error:
            answers.append(Answer(target, error=error))
    return answers


def _named(name: str) -> Target:
    return replace(LOCAL, name=name)


def redacted(answers: Sequence[Answer], *, show_identities: bool) -> list[Answer]:
    """The answers without serial numbers, names and addresses, unless they are asked for."""
    if show_identities:
        return list(answers)
    from wslgpu.probe.redact import redact

    return [replace(one, document=redact(one.document)) if one.document else one for one in answers]


def save(answers: Sequence[Answer], place: Path) -> list[Path]:
    """Write the documents: into ``place`` when it is a folder or there are several, each under its node's name.

    :raises UsageError: it cannot be written
    """
    documents = [(one.target.name, one.document) for one in answers if one.document is not None]
    if not place.is_dir() and len(answers) == 1:
        written = [(place, document) for _, document in documents]
    else:
        place.mkdir(exist_ok=True)
        names = file_names(name for name, _ in documents)
        written = [(place / f"{names[name]}.json", document) for name, document in documents]
    for path, document in written:
        write_whole(path, document.as_json(), 0o600)
    return [path for path, _ in written]
