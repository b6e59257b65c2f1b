"""One run of the probe: what topics call to look, and where they put what they found."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from . import child
from .files import mounts, trusted_folders
from .process import Commands, Done, Running
from .values import VALUE_LIMIT_BYTES, plain, to_json

_T = TypeVar("_T")
LEVELS = ("quick", "standard", "full")
DOCUMENT_LIMIT_BYTES = 1500 << 10
REASON_LIMIT = 500
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class OutOfTime(BaseException):
    """The probe's whole time is over. Not an Exception, so that no topic takes it for its own."""


class NotSeenError(Exception):
    """What was asked for cannot be looked at; the text says why."""


class CommandError(Exception):
    """A command that should have answered did not: it hung, crashed, is missing or failed."""

    def __init__(self, done: Done, name: str) -> None:
        super().__init__(name)
        self.done = done
        self.name = name


class Probe:
    """One run.

    :param level: ``quick``, ``standard`` or ``full``
    :param view: ``node`` or ``container``
    :param ids: every observation of the registry, with the least level that makes it
    :param timeout_s: the whole run's time
    """

    def __init__(self, level: str, view: str, ids: Mapping[str, str], timeout_s: float) -> None:
        self.level = level
        self.view = view
        self.ids = ids
        self.timeout_s = timeout_s
        self.deadline = time.monotonic() + timeout_s
        self.results: dict[str, dict[str, Any]] = {}
        self.session_path = os.environ.get("PATH", "")
        self._once: dict[str, Any] = {}
        self._bytes = 0
        self._commands = Commands()
        self._folder = ""
        self._pid = os.getpid()
        words = trusted_folders(self.session_path, mounts(), os.geteuid())
        os.environ["PATH"] = ":".join(words + [word for word in SYSTEM_PATH if word not in words])

    # what was found

    def observed(self, observation_id: str, value: Any, command: str | None = None, seconds: float = 0.0) -> None:
        """Put down a value; ``command`` where it is another than the registry's."""
        try:
            result: dict[str, Any] = {"status": "observed", "value": plain(value)}
        except ValueError as error:
            self.unknown(observation_id, f"what was found cannot be written: {error}")
            return
        size = len(to_json(result["value"]))
        if size > VALUE_LIMIT_BYTES:
            self.unknown(observation_id, f"what was found is {size} bytes long")
            return
        self._put(observation_id, result, command, seconds)

    def look(self, observation_id: str, make: Callable[[], Any], command: str | None = None) -> None:
        """Put down what ``make`` returns; what it raises makes this observation unknown, and no other."""
        started = time.monotonic()
        try:
            value = make()
        except CommandError as error:
            self.not_done(observation_id, error.done, error.name)
        except NotSeenError as error:
            self.unknown(observation_id, str(error))
        except Exception as error:
            self.unknown(observation_id, f"{type(error).__name__}: {error}")
        else:
            self.observed(observation_id, value, command, time.monotonic() - started)

    def unknown(self, observation_id: str, reason: str) -> None:
        """It was not looked at, or nothing can be said; never in the place of what was found."""
        if self.results.get(observation_id, {}).get("status", "unknown") == "unknown":
            self._put(observation_id, {"status": "unknown", "reason": reason}, None, 0.0)

    def crash(self, observation_id: str, reason: str, seconds: float = 0.0) -> None:
        """The process that looked was killed by a signal."""
        self._put(observation_id, {"status": "crash", "reason": reason}, None, seconds)

    def hang(self, observation_id: str, reason: str, seconds: float = 0.0) -> None:
        """What looked had to be ended."""
        self._put(observation_id, {"status": "hang", "reason": reason}, None, seconds)

    def not_done(self, observation_id: str, done: Done, command: str = "") -> None:
        """Put down that a command hung, crashed, or is not there."""
        name = command or "the command"
        if done.hang:
            self.hang(observation_id, f"{name} did not end within its time and was killed", done.seconds)
        elif done.exit < 0 and not done.cut:
            self.crash(observation_id, f"{name} was killed by signal {child.signal_name(-done.exit)}")
        elif done.missing:
            self.unknown(observation_id, f"there is no program {name}")
        elif done.cut:
            self.unknown(observation_id, f"{name} wrote more than it may and was killed")
        else:
            said = "".join((done.err.strip() or done.out.strip()).splitlines()[:1])[:200]
            text = f"{name} ended with status {done.exit}"
            self.unknown(observation_id, f"{text}: {said}" if said else text)

    def _put(self, observation_id: str, result: dict[str, Any], command: str | None, seconds: float) -> None:
        if observation_id not in self.ids:
            raise KeyError(f"{observation_id!r} is not in the table of observations")
        if "reason" in result:
            result["reason"] = plain(str(result["reason"])[:REASON_LIMIT])
        if command:
            result["command"] = plain(command)
        if seconds:
            result["seconds"] = round(min(seconds, 86400.0), 4)
        self._bytes += len(to_json(result))
        if self._bytes > DOCUMENT_LIMIT_BYTES:
            result = {"status": "unknown", "reason": "the document would be too large"}
        self.results[observation_id] = result

    # how to look

    def wants(self, level: str) -> bool:
        """Whether this level is done in this run."""
        return LEVELS.index(level) <= LEVELS.index(self.level)

    def once(self, key: str, make: Callable[[], _T]) -> _T:
        """What ``make`` returns, made only once in this run; for what several topics need."""
        if key not in self._once:
            self._once[key] = make()
        found: _T = self._once[key]
        return found

    def kept(self, key: str) -> Any:
        """What :meth:`once` made under that key; None when it did not."""
        return self._once.get(key)

    def left(self) -> float:
        """Seconds that the run still has.

        :raises OutOfTime: it has none
        """
        rest = self.deadline - time.monotonic()
        if rest <= 0:
            raise OutOfTime
        return rest

    def start(
        self, argv: Sequence[str], timeout_s: float = 5.0, env: dict[str, str] | None = None, limit: int = 65536
    ) -> Running:
        """Start a command whose end is waited for later, with :meth:`wait`."""
        return self._commands.start(argv, min(timeout_s, self.left()), env, limit)

    def wait(self, command: Running) -> Done:
        """The end of a command that was started."""
        return command.ended if command.ended is not None else self._commands.wait(command)

    def run(
        self, argv: Sequence[str], timeout_s: float = 5.0, env: dict[str, str] | None = None, limit: int = 65536
    ) -> Done:
        """Run a command: own process group, C locale, no input, at most ``limit`` bytes kept of each stream.

        A command that writes far more than that is killed, and ``cut`` is set.
        """
        return self.wait(self.start(argv, timeout_s, env, limit))

    def ask(
        self, argv: Sequence[str], timeout_s: float = 5.0, env: dict[str, str] | None = None, limit: int = 65536
    ) -> str:
        """What a command prints that must end with 0.

        :raises CommandError: it did not
        """
        done = self.run(argv, timeout_s, env, limit)
        if done.exit != 0 or done.hang or done.cut:
            raise CommandError(done, argv[0])
        return done.out

    def in_child(
        self,
        ids: Sequence[str],
        function: Callable[[child.Emit], None],
        timeout_s: float = 10.0,
        memory_bytes: int | None = 4 << 30,
    ) -> None:
        """Fork, and call ``function(emit)`` there; ``emit(id, value)`` tells an observation at once.

        When the child dies, what it was looking at (the last ``emit.begin(id)``, or else the first of ``ids`` that it
        has not told) becomes crash or hang; the rest become unknown, because nothing got to them. An exception makes
        what was not told unknown with its text.

        :param memory_bytes: the child is killed when it has more in RAM
        """
        started = time.monotonic()
        ended = child.in_child(function, min(timeout_s, self.left()), memory_bytes)
        seconds = time.monotonic() - started
        begun = ""
        told: list[str] = []
        for kind, observation_id, value in ended.records:
            if kind == "begin":
                begun = observation_id
            elif observation_id in ids and kind == "observed":
                self.observed(observation_id, value, seconds=seconds)
                told.append(observation_id)
            elif observation_id in ids and kind == "unknown":
                self.unknown(observation_id, str(value))
                told.append(observation_id)
        rest = [observation_id for observation_id in ids if observation_id not in told]
        if not rest:
            return
        culprit = begun if begun in rest else rest[0]
        for observation_id in rest:
            if ended.status == "unknown":
                self.unknown(observation_id, ended.reason or "the program did not tell it")
            elif observation_id == culprit:
                {"crash": self.crash, "hang": self.hang}[ended.status](observation_id, ended.reason, seconds)
            else:
                self.unknown(observation_id, f"not reached: {culprit} ended in a {ended.status}")

    # what is made on the node

    def folder(self) -> str:
        """A folder for this run, mode 0700, made when first asked for and removed at the end.

        mkdir follows no link and takes no folder that is there already.

        :raises RuntimeError: asked for in a child, whose folder nobody would remove: ask before forking
        """
        if os.getpid() != self._pid:
            raise RuntimeError("ask for the folder before forking")
        if not self._folder:
            base = os.environ.get("TMPDIR", "")
            place = base if base.startswith("/") and os.path.isdir(base) else "/tmp"  # noqa: S108 - name not guessable
            path = "{}/wslgpu-probe-{}".format(place.rstrip("/"), os.urandom(12).hex())
            os.mkdir(path, 0o700)
            self._folder = path
        return self._folder

    def close(self) -> None:
        """Kill what still runs, and remove the folder. May be called twice."""
        self._commands.kill_all()
        child.kill_all()
        if self._folder and os.getpid() == self._pid:
            import shutil

            # what was just killed may have written once more
            for _ in range(3):
                shutil.rmtree(self._folder, ignore_errors=True)
                if not os.path.lexists(self._folder):
                    break
            self._folder = ""
