"""Runs the topics and prints one JSON document between two lines that nobody could have guessed."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
from typing import Any

from .base import LEVELS, OutOfTime, Probe
from .identity import identity
from .topics import TOPICS
from .values import plain, to_json

SCHEMA = "wslgpu.observations/1"
LAST_WORDS_S = 2.0
# libraries that would keep what they compiled in the user's home
NO_CACHES = {"CUDA_CACHE_DISABLE": "1", "MESA_SHADER_CACHE_DISABLE": "true", "__GL_SHADER_DISK_CACHE": "0"}


class Run:
    """One run, and the state that its signal handlers need."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.started = time.time()
        self.began = time.monotonic()
        self.output = os.dup(1)
        os.set_inheritable(self.output, False)
        self.probe = Probe(config["level"], config["view"], config["ids"], float(config["timeout_s"]))
        self.failures: dict[str, str] = {}
        self.answered = False

    def main(self) -> int:
        """All of it. Returns the exit status."""
        os.environ.update(NO_CACHES)
        # what libraries and programs print must not stand in the answer
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1):
            os.dup2(nowhere, descriptor)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._ended)
        signal.signal(signal.SIGALRM, self._overdue)
        signal.setitimer(signal.ITIMER_REAL, self.probe.timeout_s, LAST_WORDS_S)
        try:
            for name in TOPICS:
                self._topic(name)
            reason = ""
        except OutOfTime:
            reason = f"the probe's time of {self.probe.timeout_s:g} s was over"
        self._answer(reason)
        return 0

    def _topic(self, name: str) -> None:
        try:
            importlib.import_module("." + name, __package__).observe(self.probe)
        except Exception as error:
            self.failures[name] = f"{type(error).__name__}: {error}"
        if self.config.get("debug") and name in self.failures:
            sys.stderr.write(f"{name}: {self.failures[name]}\n")

    def _answer(self, reason: str) -> None:
        if self.answered:
            return
        self.answered = True
        probe = self.probe
        probe.close()
        failures = "; ".join("{} failed: {}".format(*item) for item in self.failures.items())
        for observation_id, level in probe.ids.items():
            if observation_id not in probe.results:
                why = reason or failures or "the program did not look"
                above = LEVELS.index(level) > LEVELS.index(probe.level)
                probe.unknown(observation_id, f"needs --level {level}" if above else why)
        times = os.times()
        version = "{}.{}.{}".format(*sys.version_info[:3])
        document = {
            "schema": SCHEMA,
            "probe": {
                "level": probe.level,
                "view": probe.view,
                "program": self.config["program"],
                "interpreter": "python3 " + version,
                "started": self.started,
                "duration_s": round(time.monotonic() - self.began, 4),
                "cpu_s": round(times.user + times.system + times.children_user + times.children_system, 4),
                "uid": os.geteuid(),
            },
            "identity": plain(identity()),
            "stand_in": os.path.lexists("/etc/wslgpu-lab"),
            "observations": probe.results,
        }
        mark = self.config["nonce"]
        text = f"\n=== wslgpu {mark} begin ===\n{to_json(document)}\n=== wslgpu {mark} end ===\n"
        data = text.encode("ascii")
        with contextlib.suppress(BrokenPipeError):
            while data:
                data = data[os.write(self.output, data) :]

    def _overdue(self, number: int, frame: Any) -> None:
        """The run's time is over: once politely, then at once with what is there."""
        del number, frame
        if self.answered:
            os._exit(1)  # nobody reads
        if time.monotonic() < self.probe.deadline + LAST_WORDS_S / 2:
            raise OutOfTime
        self._answer(f"the probe's time of {self.probe.timeout_s:g} s was over")
        os._exit(0)

    def _ended(self, number: int, frame: Any) -> None:
        """Told to go, or nobody listens: leave nothing behind."""
        del frame
        self.probe.close()
        os._exit(128 + number)


def main(config: dict[str, Any]) -> int:
    """Run the program.

    :param config: level, view, ids (observation: level), timeout_s, nonce, program (its sha256)
    """
    return Run(config).main()
