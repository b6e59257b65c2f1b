"""``wslgpu support``: one redacted file with what somebody needs who is to help from afar.

One session brings the observations and the pieces of :mod:`wslgpu.check.support_script`. Everything passes through the
table of :mod:`wslgpu.probe.redactions`; the host's name and its users' are taken out besides. Nothing is sent anywhere.
"""

from __future__ import annotations

import io
import json
import platform
import re
import secrets
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wslgpu.catalogue.load import load_catalogue
from wslgpu.check.files import file_names, write_whole
from wslgpu.check.judging import Clock, Rules, judge
from wslgpu.check.saved import redacted
from wslgpu.check.support_script import Pieces, script, split
from wslgpu.errors import UsageError
from wslgpu.probe.channels import Target
from wslgpu.probe.document import Level, Observations
from wslgpu.probe.gather import DEADLINES_S, Answer, send
from wslgpu.probe.program import answer, payload
from wslgpu.probe.redact import Redactor
from wslgpu.probe.redactions import IPV4, REDACTIONS
from wslgpu.report.capabilities.json_document import as_data

SCHEMA = "wslgpu.support/1"
ARCHIVE = ".tar.gz"
_KEPT_NAMES = {"root", "nobody", "localhost"}


@dataclass(frozen=True)
class Bundle:
    """What the file holds.

    :param head: versions and time
    :param removed: mark that stands where something was taken out -> how often
    """

    head: dict[str, Any]
    documents: dict[str, Any]
    files: dict[str, str]
    logs: dict[str, str]
    removed: dict[str, int]

    def as_json(self) -> str:
        """All of it as one document."""
        content = {**self.head, **self.documents, "configuration": self.files, "logs": self.logs}
        return json.dumps({**content, "removed": self.removed}, indent=1, ensure_ascii=False) + "\n"

    def summary(self, path: Path) -> list[str]:
        """What a person should know before they send it."""
        removed = ", ".join(f"{count} x {mark}" for mark, count in sorted(self.removed.items()))
        return [
            f"{path} holds:",
            *(f"  {name}" for name in self.documents),
            *(f"  {name}" for name in self.files),
            *(f"  {name}: {len(text.splitlines())} lines" for name, text in self.logs.items()),
            f"taken out: {removed or 'nothing'}",
            "Machine id, host name and host keys are digests. Read the file before you send it.",
        ]


def require_suffix(path: Path) -> None:
    """Refuse a name that says nothing about the file's form.

    :raises UsageError: neither .json nor .tar.gz
    """
    if path.suffix != ".json" and not path.name.endswith(ARCHIVE):
        raise UsageError("the file's name must end in .json or .tar.gz", str(path), "Name it so.")


def collect(target: Target, level: Level, timeout_s: float | None = None) -> tuple[Bundle, int]:
    """Ask the target in one session: the bundle, and 130 or 143 when a signal came, else 0.

    :raises WslgpuError: nothing came back
    """
    clock, nonce, found = Clock.now(), secrets.token_hex(16), [Pieces({}, {}, (), whole=False)]

    def reader(stdout: bytes, where: str) -> Observations:
        document, found[0] = split(stdout, nonce)
        return answer(document, where)

    text = payload(level, target.view) + script(nonce)
    limit = DEADLINES_S[level] + 30 if timeout_s is None else timeout_s
    gathered = send([target], {target.view: text}, reader, timeout_s=limit)
    (one,) = gathered.answers
    if one.document is None and not found[0].logs and one.error is not None and not gathered.interrupted:
        raise one.error
    return make(one, found[0], clock), gathered.interrupted


def make(one: Answer, pieces: Pieces, clock: Clock) -> Bundle:
    """The bundle of one answer, redacted."""
    (plain,) = redacted([replace(one, target=replace(one.target, name="node"))], show_identities=False)
    if plain.error is not None:
        error = replace(plain.error, what=_redact(plain.error.what, pieces.names), where="node")
        plain = replace(plain, error=error)
    judgement = replace(judge([plain], Rules(load_catalogue()), clock), operator="")
    data = as_data(judgement)
    head = {
        "schema": SCHEMA,
        "made": clock.started,
        "tool_version": judgement.tool_version,
        "catalogue_digest": judgement.catalogue_digest,
        "lock_digest": judgement.lock_digest,
        "python": platform.python_version(),
        "channel": one.target.kind.value,
        "whole": pieces.whole,
    }
    observations = plain.document.model_dump(mode="json", by_alias=True) if plain.document else None
    # the names that the document gives away, besides those that were asked for
    further = Redactor(one.document).text if one.document else str
    files = {name: further(_redact(text, pieces.names)) for name, text in pieces.files.items()}
    logs = {name: further(_redact(text, pieces.names)) for name, text in pieces.logs.items() if text.strip()}
    texts = [*files.values(), *logs.values(), json.dumps(observations, ensure_ascii=False)]
    return Bundle(head, {"observations": observations, "judgement": data}, files, logs, _removed(texts))


def _redact(text: str, names: tuple[str, ...]) -> str:
    """The text after every row of the table, and without the names."""
    for row in (*REDACTIONS, IPV4):
        text = row.apply(text)
    for name in names:
        if len(name) > 2 and name not in _KEPT_NAMES:
            text = re.sub(rf"(?<![\w<]){re.escape(name)}(?![\w>])", "<name>", text)
    return text


def _removed(texts: Iterable[str]) -> dict[str, int]:
    """How often each mark stands where something was taken out."""
    marks = dict.fromkeys((*(row.mark for row in (*REDACTIONS, IPV4)), "<host>", "<name>"))
    counts = {mark: sum(text.count(mark) for text in texts) for mark in marks}
    return {mark: count for mark, count in counts.items() if count}


def write(bundle: Bundle, path: Path) -> None:
    """Write it whole or not at all, for the caller's eyes only.

    :raises UsageError: the place cannot be written
    """
    write_whole(path, _archive(bundle) if path.name.endswith(ARCHIVE) else bundle.as_json(), 0o600)


def _archive(bundle: Bundle) -> bytes:
    rest = {"removed": bundle.removed}
    members = {"support.json": json.dumps({**bundle.head, **rest}, indent=1) + "\n"}
    for name, content in bundle.documents.items():
        members[f"{name}.json"] = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    for folder, texts in (("configuration", bundle.files), ("logs", bundle.logs)):
        names = file_names(texts)
        members.update({f"{folder}/{names[name]}.txt": f"{text}\n" for name, text in texts.items()})
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in members.items():
            data = text.encode()
            entry = tarfile.TarInfo(f"wslgpu-support/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
