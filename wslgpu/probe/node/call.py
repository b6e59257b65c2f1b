"""Calls of shared libraries through ctypes: how a library is found, and how steps survive the one that kills them.

This file imports ctypes only where it calls, because there are python3 without it: topics ask :func:`no_ctypes` first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from .base import Probe
from .child import Emit

WSL_LIB = "/usr/lib/wsl/lib"
STEP_TIMEOUT_S = 10.0
#: For the reads of level quick: a cold driver takes a second or two, and several that hang must not cost all its time.
READ_TIMEOUT_S = 6.0
#: How base.py begins the reason of what a dead child did not come to.
NOT_REACHED = "not reached: "
_RESTARTS = 4
_TEXT_LIMIT = 300


class UnavailableError(Exception):
    """Why something cannot be looked at; its text becomes the reason of ``unknown``."""


class NoLibraryError(UnavailableError):
    """The loader does not load it; the text is the loader's."""


def no_ctypes(probe: Probe, ids: Sequence[str]) -> bool:
    """Whether this python3 cannot call libraries; then all of ``ids`` are put down as unknown."""
    try:
        import ctypes  # noqa: F401 - whether it can be imported is the question
    except ImportError:
        for observation_id in ids:
            probe.unknown(observation_id, "this python3 has no ctypes")
        return True
    return False


class Library:
    """A shared library, loaded as the loader does, or else from WSL's folder by its absolute path.

    :param name: ``libcuda.so.1``
    :param fallback: whether WSL's folder is tried, which sessions of sshd and systemd may not have in their cache
    :raises NoLibraryError: neither is loaded
    """

    def __init__(self, name: str, fallback: bool = True) -> None:
        import ctypes

        self.name = name
        self.short = name.split(".so")[0]
        failures: list[str] = []
        for place in (name, f"{WSL_LIB}/{name}") if fallback else (name,):
            try:
                self.handle = ctypes.CDLL(place)
            except OSError as error:
                failures.append(str(error)[:_TEXT_LIMIT])
            else:
                return
        # a second "no such file" says nothing new
        told = failures[:1] + [text for text in failures[1:] if "No such file" not in text]
        raise NoLibraryError("; ".join(told))

    def has(self, name: str) -> bool:
        """Whether it exports this function."""
        return hasattr(self.handle, name)

    def function(self, name: str) -> Any:
        """An exported function.

        :raises UnavailableError: it exports none of that name
        """
        try:
            return getattr(self.handle, name)
        except AttributeError:
            raise UnavailableError(f"{self.short} exports no {name}") from None

    def path(self, symbol: str) -> str:
        """The file that it was really mapped from: the one that holds ``symbol``, or else the first of its name."""
        import ctypes

        address = 0
        with contextlib.suppress(AttributeError):
            address = ctypes.cast(getattr(self.handle, symbol), ctypes.c_void_p).value or 0
        return mapped_file(_maps(), address, self.name.split(".so")[0] + ".so")


def mapped_file(maps: str, address: int, stem: str) -> str:
    """From the text of /proc/PID/maps: the file at ``address``, else the first whose name begins with ``stem``."""
    named = ""
    for line in maps.splitlines():
        words = line.split(None, 5)
        if len(words) < 6 or not words[5].startswith("/"):
            continue
        low, _, high = words[0].partition("-")
        if int(low, 16) <= address < int(high, 16):
            return words[5]
        if not named and os.path.basename(words[5]).startswith(stem):
            named = words[5]
    return named


def _maps() -> str:
    with open("/proc/self/maps", errors="replace") as stream:
        return stream.read()


def run_steps(
    probe: Probe,
    steps: Sequence[tuple[str, Callable[[Any], Any]]],
    prepare: Callable[[], Any],
    timeout_s: float = STEP_TIMEOUT_S,
    memory_bytes: int | None = 4 << 30,
    spoilt: Callable[[Any], bool] | None = None,
) -> None:
    """Look at ``(id, function(subject))`` one after the other in one child; after one that kills it, in another.

    :param prepare: makes the subject, first thing in each child; its UnavailableError is the reason for all of them
    :param spoilt: asked after each step: whether the subject is of no more use, and the rest need a new child
    """
    rest = list(steps)
    for _ in range(_RESTARTS):
        _one_child(probe, rest, prepare, timeout_s, memory_bytes, spoilt)
        left = [step for step in rest if _not_reached(probe, step[0])]
        if not left or len(left) == len(rest):
            return
        rest = left


def _not_reached(probe: Probe, observation_id: str) -> bool:
    result = probe.results.get(observation_id, {})
    return result.get("status") == "unknown" and str(result.get("reason", "")).startswith(NOT_REACHED)


def _one_child(
    probe: Probe,
    steps: Sequence[tuple[str, Callable[[Any], Any]]],
    prepare: Callable[[], Any],
    timeout_s: float,
    memory_bytes: int | None,
    spoilt: Callable[[Any], bool] | None,
) -> None:
    ids = [step[0] for step in steps]

    def work(emit: Emit) -> None:
        emit.begin(ids[0])
        try:
            subject = prepare()
        except UnavailableError as error:
            for observation_id in ids:
                emit.unknown(observation_id, str(error))
            return
        for index, (observation_id, function) in enumerate(steps):
            emit.begin(observation_id)
            try:
                emit(observation_id, function(subject))
            except UnavailableError as error:
                emit.unknown(observation_id, str(error))
            except (OSError, ValueError, TypeError, MemoryError) as error:
                emit.unknown(observation_id, f"{type(error).__name__}: {error}"[:_TEXT_LIMIT])
            if spoilt is not None and spoilt(subject):
                for later in ids[index + 1 :]:
                    emit.unknown(later, f"{NOT_REACHED}{observation_id} left the library unusable")
                return

    probe.in_child(ids, work, timeout_s, memory_bytes)
