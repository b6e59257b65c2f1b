"""One builder per key: the others wait, and know for whom."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_S = 0.5
_SAY_AGAIN_S = 60.0


@contextlib.contextmanager
def build_lock(path: Path, what: str, waiting: Callable[[str], None]) -> Iterator[bool]:
    """Hold the lock of one build; the kernel frees it when this process dies, however it dies.

    Gives whether somebody else had it first.

    :param what: what is built, for those who wait
    :param waiting: told whom we wait for, at once and then each minute
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    waited, said = False, 0.0
    while (descriptor := _taken(path)) is None:
        waited = True
        if not said or time.monotonic() - said > _SAY_AGAIN_S:
            waiting(f"waiting for {holder(path)}")
            said = time.monotonic()
        time.sleep(_POLL_S)
    try:
        _write_holder(descriptor, what)
        yield waited
    finally:
        path.unlink(missing_ok=True)  # those who wait see that it is gone, and take one of their own
        os.close(descriptor)


def _taken(path: Path) -> int | None:
    """A descriptor that holds the lock, or None where somebody else holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass  # whoever held it has deleted it: what we locked is nobody's
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.close(descriptor)


@contextlib.contextmanager
def held_by_nobody(path: Path) -> Iterator[bool]:
    """Whether nobody held the lock; if so, nobody can take it while the block runs."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock just now."""
    if not path.exists():
        return True
    with held_by_nobody(path) as free:
        return free


def holder(path: Path) -> str:
    """``process 4711 of user anna, which has been building mesa-dozen-25.0.7 since 12:30:05``."""
    try:
        data = json.loads(path.read_text())
        since = time.strftime("%H:%M:%S", time.localtime(data["since"]))
        return f"process {data['pid']} of user {data['user']}, which has been building {data['what']} since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another builder"


def _write_holder(descriptor: int, what: str) -> None:
    note = {"pid": os.getpid(), "user": _user(), "since": int(time.time()), "what": what}
    text = json.dumps(note).encode()
    # those who wait may read half of it, and then say "another builder"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)


def _user() -> str:
    """Who asked: behind sudo the person, not root."""
    if name := os.environ.get("SUDO_USER"):
        return name
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
