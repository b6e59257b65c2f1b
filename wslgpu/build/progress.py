"""What a build says while it runs: step n of m, how long already, and what is being done."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from wslgpu.build.history import duration_words

REDRAW_S = 1.0
LINE_S = 30.0
"""Without a terminal a line is written at most this often during a step."""
_COUNT = re.compile(r"\[\s*(\d+)/(\d+)\]|\[\s*(\d+)%\]")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e]")


class Progress:
    """Steps on a terminal, as one line that is redrawn, or as lines in a log.

    :param total: how many steps there will be
    :param prefix: what stands before each line, where several things are built
    """

    def __init__(self, out: TextIO, total: int, prefix: str = "", verbose: bool = False) -> None:
        self._out, self._total, self._prefix = out, total, prefix
        self._terminal = out.isatty() and not verbose
        self._lock = threading.Lock()
        self._number, self._name, self._doing = 0, "", ""
        self._begin = self._step_begin = time.monotonic()
        self._detail: Callable[[], str] = lambda: ""
        self.durations: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, doing: str, detail: Callable[[], str] = lambda: "") -> Iterator[None]:
        """One step; said at its begin and, on a terminal, redrawn with the time it has taken until it ends.

        :param detail: asked from another thread what is being done just now
        """
        with self._lock:
            self._number += 1
            self._name, self._doing, self._detail = name, doing, detail
            self._step_begin = time.monotonic()
        ended = threading.Event()
        self._show(first=True)
        drawer = threading.Thread(target=self._redraw, args=(ended,), daemon=True)
        drawer.start()
        end = ""
        try:
            yield
        except BaseException:
            end = "ended early, after "
            raise
        finally:
            ended.set()
            drawer.join()
            taken = time.monotonic() - self._step_begin
            self.durations[name] = round(self.durations.get(name, 0.0) + taken, 2)
            if self._terminal:
                self._write(f"\r\x1b[K{self._head()} {self._doing}: {end}{duration_words(taken)}\n")

    def say(self, text: str) -> None:
        """One line that stays."""
        self._write(f"\r\x1b[K{self._prefix}{text}\n" if self._terminal else f"{self._prefix}{text}\n")

    def doing(self, text: str) -> None:
        """What the step is doing now, where that changes."""
        with self._lock:
            self._doing = text
        self._show(first=True)

    def _redraw(self, ended: threading.Event) -> None:
        while not ended.wait(REDRAW_S if self._terminal else LINE_S):
            self._show(first=False)

    def _show(self, *, first: bool) -> None:
        elapsed = duration_words(time.monotonic() - self._begin)
        detail = "" if first else self._detail()
        text = f"{self._head()} {self._doing}" + ("" if first and not self._terminal else f", {elapsed}")
        if detail:
            text += f"  {detail}"
        if self._terminal:
            columns = shutil.get_terminal_size().columns
            self._write(f"\r\x1b[K{text[: columns - 1]}")
        else:
            self._write(f"{text}\n")

    def _head(self) -> str:
        return f"{self._prefix}[{self._number}/{self._total}] {self._name}:"

    def _write(self, text: str) -> None:
        with self._lock:
            self._out.write(text)
            self._out.flush()


def last_words(log: Path, begin: int) -> str:
    """What ninja or make was at last: ``[123/527] Compiling x.c``; of a log's end, made fit for a terminal."""
    try:
        with log.open("rb") as handle:
            end = handle.seek(0, 2)
            handle.seek(max(begin, end - 4096))
            text = handle.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [plain for line in re.split(r"[\r\n]+", text) if (plain := _CONTROL.sub("", line).strip())]
    counted = [line for line in lines if _COUNT.search(line)]
    return (counted or lines or [""])[-1][:100]
