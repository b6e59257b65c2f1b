"""Commands on the node under test, each with a deadline, and small readers of its state."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TIMED_OUT = 124
SHOWN_CHARACTERS = 1500


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    rc: int
    out: str
    err: str

    def __str__(self) -> str:
        said = "\n".join(part.strip() for part in (self.out, self.err) if part.strip())
        ended = "did not end in time" if self.rc == TIMED_OUT else f"ended with {self.rc}"
        return f"{ended}: {said[:SHOWN_CHARACTERS] or 'nothing said'}"

    @property
    def ok(self) -> bool:
        return self.rc == 0

    @property
    def said(self) -> bool:
        """It succeeded, and not silently."""
        return self.ok and bool(self.out.strip())

    @property
    def words(self) -> list[str]:
        return self.out.split()

    @property
    def lines(self) -> list[str]:
        return [line for line in self.out.splitlines() if line.strip()]


class Node:
    """The node under test, over testinfra's host.

    testinfra's own ``host.run`` has no deadline, so nothing that may hang (a driver, containerd) goes through it
    directly. Output is decoded leniently: a node may answer with anything.
    """

    def __init__(self, host: Any) -> None:
        self.host = host
        self._kept: dict[tuple[str, ...], Answer] = {}

    def run(self, *command: str, timeout_s: int = 20) -> Answer:
        """Run one program with its arguments, in the C locale, as root."""
        line = shlex.join(["env", "LC_ALL=C", f"PATH={_PATH}", "timeout", "-k", "2", str(timeout_s), *command])
        result = self.host.run(line)
        out = result.stdout_bytes.decode(errors="replace")
        return Answer(result.exit_status, out, result.stderr_bytes.decode(errors="replace"))

    def shell(self, program: str, *arguments: str, timeout_s: int = 20) -> Answer:
        """Run a few lines of sh; values are its positional parameters."""
        return self.run("sh", "-c", program, "check", *arguments, timeout_s=timeout_s)

    def kept(self, *command: str, timeout_s: int = 20) -> Answer:
        """:meth:`run`, asked once per suite: for what several checks look at."""
        if command not in self._kept:
            self._kept[command] = self.run(*command, timeout_s=timeout_s)
        return self._kept[command]

    def read(self, path: str) -> str:
        """A file's text; an AssertionError names the file that is not there."""
        answer = self.run("cat", "--", path)
        assert answer.ok, f"{path} cannot be read: {answer.err.strip()}"
        return answer.out

    def exists(self, path: str) -> bool:
        return self.run("test", "-e", path).ok

    def listing(self, directory: str, pattern: str = "*") -> list[str]:
        """The paths in a directory that match; the directory itself must be there."""
        answer = self.run("find", directory, "-mindepth", "1", "-maxdepth", "1", "-name", pattern)
        assert answer.ok, f"{directory} cannot be listed: {answer.err.strip()}"
        return sorted(answer.lines)

    def mode_and_owner(self, path: str) -> str:
        """``MODE USER:GROUP KIND`` such as ``600 root:root regular file``; links are not followed."""
        answer = self.run("stat", "-c", "%a %U:%G %F", "--", path)
        assert answer.ok, f"{path} is not there"
        return answer.out.strip().replace("regular empty file", "regular file")
