"""Where a recipe's script runs: bubblewrap around the clean root.

No network, a user without rights, its own processes, host name and mounts. The mounts lie in bubblewrap's own mount
namespace, and whoever starts it is watched by the kernel (prctl PR_SET_PDEATHSIG): when the builder is killed, however
it is killed, the sandbox and all processes in it are gone, and no mount was ever seen outside.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wslgpu.build import environment
from wslgpu.build.limits import Group
from wslgpu.programs import Result

PROGRAMS = {"bwrap": "bubblewrap", "setpriv": "util-linux", "prlimit": "util-linux", "unshare": "util-linux"}
"""Program on this machine -> Debian package that has it."""
_ENTER = 'umask "$1"; shift; while [ "$1" != -- ]; do echo 0 >"$1" || exit 125; shift; done; shift; exec "$@"'
ASKED_BYTES = 1 << 22
_ENDING_S = 30.0
_KILLED = re.compile(r"\bKilled\b|signal 9|SIGKILL|fatal error: Killed signal")


@dataclass(frozen=True)
class Bind:
    """A folder or file of this machine that the sandbox sees under another name."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Ended:
    """How one phase ended.

    :param tail: the end of what it wrote
    :param killed_for_memory: by the kernel's count, or by the look of it where nobody counts
    """

    rc: int
    tail: str
    killed_for_memory: bool

    @property
    def ok(self) -> bool:
        return self.rc == 0

    @property
    def disk_full(self) -> bool:
        return not self.ok and "No space left on device" in self.tail


@dataclass(frozen=True)
class Sandbox:
    """A root, what is bound into it, and what may be taken."""

    root: Path
    binds: Sequence[Bind]
    group: Group
    processes: int

    def argv(self, command: Sequence[str], variables: Mapping[str, str], sync: int) -> list[str]:
        """The whole command line. ``sync`` is a descriptor that stays open for as long as anything lives in it."""
        enter = ["sh", "-c", _ENTER, "sandbox", environment.UMASK, *map(str, self.group.entrances), "--"]
        limits = ["prlimit", f"--nproc={self.processes}", "--core=0", "--"]
        walls = ["--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
        walls += ["--unshare-uts", "--unshare-cgroup-try", "--hostname", environment.HOST_NAME]
        walls += [
            "--sync-fd",
            str(sync),
            "--ro-bind",
            str(self.root.absolute()),
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]
        for bind in self.binds:
            walls += ["--bind" if bind.writable else "--ro-bind", str(bind.source.absolute()), bind.target]
        walls += ["--chdir", environment.BUILD, "--clearenv"]
        for name, value in variables.items():
            walls += ["--setenv", name, value]
        user = str(environment.USER_ID)
        drop = ["/usr/bin/setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs"]
        drop += ["--bounding-set=-all", "--inh-caps=-all", "--"]
        return ["setpriv", "--pdeathsig", "KILL", "--", *enter, *limits, "bwrap", *walls, *drop, *command]

    def run(self, command: Sequence[str], variables: Mapping[str, str], log: Path) -> Ended:
        """Run one command to its end, its output added to ``log``.

        Whatever ends this call early (Ctrl-C, SIGTERM) has ended the sandbox before it is passed on.

        :raises OSError: the log cannot be written, or a program of this machine is not there
        """
        kills = self.group.memory_kills()
        begin = log.stat().st_size if log.exists() else 0
        with log.open("ab") as handle:
            rc = self._run(command, variables, handle, handle, None)
        tail = tail_of(log, begin)
        after = self.group.memory_kills()
        looks_killed = rc in (137, -9) or bool(_KILLED.search(tail))
        killed = looks_killed if kills is None or after is None else after > kills
        return Ended(rc, tail, killed and rc != 0)

    def ask(self, command: Sequence[str], variables: Mapping[str, str], timeout_s: float) -> Result:
        """Run a program for its output; one that takes too long is killed, and has the status 124.

        :raises OSError: a program of this machine is not there, or no room for the output
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            rc = self._run(command, variables, out, err, timeout_s)
            texts = []
            for handle in (out, err):
                handle.seek(0)
                texts.append(handle.read(ASKED_BYTES).decode(errors="replace"))
        return Result(rc, *texts)

    def _run(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
        timeout_s: float | None,
    ) -> int:
        reader, writer = os.pipe()
        try:
            try:
                process = subprocess.Popen(
                    self.argv(command, variables, writer),
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    env={"PATH": os.environ.get("PATH", environment.PATH), "LC_ALL": "C.UTF-8"},
                    pass_fds=(writer,),
                    cwd="/",
                )
            finally:
                os.close(writer)
            try:
                return process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return 124
            finally:
                process.kill()
                process.wait()
                _wait_for_end(reader)
        finally:
            os.close(reader)


def _wait_for_end(reader: int) -> None:
    """Until the kernel has ended the last process in the sandbox: then nobody holds the pipe any more."""
    os.set_blocking(reader, False)
    deadline = time.monotonic() + _ENDING_S
    while time.monotonic() < deadline:
        try:
            if os.read(reader, 1) == b"":
                return
        except BlockingIOError:
            time.sleep(0.02)


def tail_of(log: Path, begin: int = 0, size: int = 8192) -> str:
    """The last ``size`` bytes of a log, but nothing before the byte ``begin``."""
    with log.open("rb") as handle:
        end = handle.seek(0, os.SEEK_END)
        handle.seek(max(begin, end - size))
        return handle.read().decode(errors="replace")
