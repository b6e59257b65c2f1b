"""Switches for what the lab's HTTP server does wrong, as a file that tests write and the server reads.

One fault for each path prefix; the longest prefix that fits a request applies.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.host_files import write_atomically

CONTROL = "faults.json"


@dataclass(frozen=True)
class Fault:
    """What is done to a request; what is not set is left as it is.

    :param status: answer with this HTTP status and no content
    :param retry_after: value of a Retry-After header, seconds
    :param delay_s: wait before the answer
    :param truncate_at: close the connection after this share of the content, 0 to 1
    :param flip_byte: invert one byte in the middle of the content
    :param bytes_per_s: send the content at this rate
    :param drop: close the connection without an answer
    :param times: apply to this many requests, then behave; None for always
    """

    status: int | None = None
    retry_after: int | None = None
    delay_s: float = 0
    truncate_at: float | None = None
    flip_byte: bool = False
    bytes_per_s: int | None = None
    drop: bool = False
    times: int | None = None


def read(directory: Path) -> dict[str, Fault]:
    """The faults of a lab by path prefix; none when the file is absent."""
    try:
        body: dict[str, dict[str, Any]] = json.loads((directory / CONTROL).read_text())
    except FileNotFoundError:
        return {}
    return {prefix: Fault(**fault) for prefix, fault in body.items()}


def match(faults: dict[str, Fault], path: str) -> str | None:
    """The longest prefix of ``faults`` that ``path`` begins with; apt asks a flat repository for ``..././NAME``."""
    plain = path.replace("/./", "/")
    fitting = [prefix for prefix in faults if plain.startswith(prefix)]
    return max(fitting, key=len) if fitting else None


class Faults:
    """The faults of one lab."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def set(self, prefix: str, fault: Fault) -> None:
        """From the next request on, ``fault`` applies to paths that begin with ``prefix``."""
        self._write({**read(self.directory), prefix: fault})

    def clear(self) -> None:
        (self.directory / CONTROL).unlink(missing_ok=True)

    def requests(self) -> list[dict[str, Any]]:
        """What was asked of the server so far: method, path, status of each request."""
        log = self.directory / "requests.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def _write(self, faults: dict[str, Fault]) -> None:
        body = {prefix: dataclasses.asdict(fault) for prefix, fault in faults.items()}
        write_atomically(self.directory / CONTROL, json.dumps(body, indent=1) + "\n")
