"""A recipe that is built in seconds, for whatever can be tried on a build: a program in C and its library."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from wslgpu.build.environment import USER_ID
from wslgpu.build.places import cache_dir
from wslgpu.host_files import sha256_of_file
from wslgpu.settings import PROJECT_ROOT

NAME = "hello-1.0"
TIME = 1_700_000_000
"""Of every file in the source."""
FILES = {
    "hello.c": "void greet(const char *name);\nint main(void) { greet(NAME); return 0; }\n",
    "greet.c": '#include <stdio.h>\nvoid greet(const char *name) { printf("hello %s from %s\\n", name, __FILE__); }\n',
    "Makefile": (
        "hello: hello.o libgreet.a\n\t$(CC) $(CFLAGS) $(LDFLAGS) -o $@ hello.o libgreet.a\n"
        "hello.o: hello.c\n\t$(CC) $(CFLAGS) -DNAME='\"$(NAME)\"' -c $<\n"
        "greet.o: greet.c\n\t$(CC) $(CFLAGS) -c $<\n"
        "libgreet.a: greet.o\n\t$(AR) rcD $@ $<\n"
        "install: hello\n\tinstall -D hello $(DESTDIR)/bin/hello\n"
        "\tinstall -D -m 644 LICENSE $(DESTDIR)/share/doc/hello/LICENSE\n"
    ),
    "LICENSE": "Do with it what you like.\n",
}
RECIPE: dict[str, Any] = {
    "schema": 1,
    "name": "hello",
    "title": "a program and its library",
    "base": "bookworm",
    "packages": ["gcc", "libc6-dev", "make"],
    "options": {
        "loud": {"default": False, "help": "greets louder"},
        "name": {"default": "world", "choices": ["world", "moon"], "help": "who is greeted"},
    },
    "roles": {"hello": {"help": "the program"}},
    "source_date": "hello",
    "memory_per_job_bytes": 50_000_000,
    "disk_bytes": 1_000_000,
    "estimate_s": 5,
    "licence": "MIT",
    "links": ["libc.so.6"],
    "proofs": {},
}
PHASES = {
    "configure": "cp -a /sources/hello/. /build/",
    "compile": 'make -j"$JOBS" NAME="$OPTION_NAME"',
    "install": "make install DESTDIR=/out",
}
SLEEP = f"sleep {10_000_000 + os.getpid()}"
"""What a phase does that waits to be killed; no other process is called so."""


@dataclass
class SmallBuild:
    """A folder with a source, a recipe, a site file, a cache and a store; the clean roots are the machine's own.

    :param before: phase -> shell that its script runs first
    """

    path: Path
    recipe: dict[str, Any] = field(default_factory=lambda: dict(RECIPE))
    before: dict[str, str] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cache, self.store = self.path / "cache", self.path / "store"
        self.recipes, self.sources, self.site = self.path / "recipes", self.path / "sources", self.path / "site.yml"
        for folder in (self.cache, self.recipes / "hello" / "patches", self.sources):
            folder.mkdir(parents=True)
        share_roots(self.cache)
        self.write_source(FILES)
        self.write()

    def write_source(self, files: Mapping[str, str | bytes]) -> None:
        """The source archive anew."""
        with tarfile.open(self.sources / "hello-1.0.tar.xz", "w:xz", preset=0) as tar:
            for name, text in files.items():
                data = text.encode() if isinstance(text, str) else text
                member = tarfile.TarInfo(f"hello-1.0/{name}")
                member.size, member.mtime = len(data), TIME
                tar.addfile(member, io.BytesIO(data))

    def write(self) -> None:
        """Recipe and site file, as the fields say now."""
        cases = "".join(f"{name}) {self.before.get(name, '')}\n{text} ;;\n" for name, text in PHASES.items())
        (self.recipes / "hello" / "build.sh").write_text(f"#!/bin/sh\nset -eu\ncase $1 in\n{cases}esac\n")
        (self.recipes / "hello" / "recipe.yml").write_text(yaml.safe_dump(self.recipe, sort_keys=False))
        source = self.sources / "hello-1.0.tar.xz"
        pin = {
            "name": "hello",
            "version": "1.0",
            "file": source.name,
            "urls": ["https://hello.example/hello-1.0.tar.xz"],
            "sha256": sha256_of_file(source),
            "size_bytes": source.stat().st_size,
            "licence": "MIT",
            "checked_against": "made for a test",
        }
        build = {"artifact": "hello", "version": "1.0", "recipe": "hello", "sources": {"hello": NAME}, **self.row}
        self.site.write_text(yaml.safe_dump({"build_sources": {NAME: pin}, "builds": {NAME: build}}))

    def argv(self, *words: str) -> list[str]:
        """The command line of one `wslgpu build`."""
        command = [sys.executable, "-m", "wslgpu.cli", "build", *(words or (NAME,)), "--site", str(self.site)]
        return [*command, "--recipes", str(self.recipes), "--from", str(self.sources)]

    def run(self, *words: str, within: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """One `wslgpu build`, to its end.

        :param within: command that it is run by
        """
        command = [*within, *self.argv(*words)]
        return subprocess.run(
            command, env=self._env(), cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300, check=False
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """One `wslgpu build` that goes on while others are looked at; its words come through one pipe."""
        return subprocess.Popen(
            self.argv(*words),
            env=self._env(),
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def built(self, *words: str) -> dict[str, Any]:
        """The record of a build that must succeed."""
        done = self.run(*(words or (NAME,)), "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        record: dict[str, Any] = json.loads(done.stdout)["builds"][0]
        return record

    def records(self) -> list[str]:
        """Names of the artifacts that the store has."""
        return sorted(path.stem for path in (self.store / "records").glob("*.json"))

    def log(self) -> str:
        """The youngest log."""
        return max((self.cache / "logs").glob("*.log")).read_text(errors="replace")

    def left_over(self) -> list[str]:
        """Work folders, and anything that looks like one."""
        return sorted(path.name for path in (self.cache / "work").glob("*"))

    def _env(self) -> dict[str, str]:
        own = {"WSLGPU_CACHE_DIR": str(self.cache), "WSLGPU_STORE_DIR": str(self.store), "WSLGPU_DEBUG": ""}
        return {**os.environ, **own, **self.environment}


def share_roots(cache: Path) -> None:
    """Let a cache of a test's own have the machine's clean roots, which are the same for everybody."""
    roots = cache_dir() / "build-roots"
    roots.mkdir(parents=True, exist_ok=True)
    (cache / "build-roots").symlink_to(roots)


def read_until(process: subprocess.Popen[str], word: str) -> str:
    """What a build said until ``word`` came, which must come."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if word in line:
            return said
    raise AssertionError(f"{word!r} never came:\n{said}")


def wait_for(condition: Callable[[], bool], what: str, limit_s: float = 60) -> None:
    """Until a condition holds, which must come to hold."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


def processes_of_builds() -> list[str]:
    """Command lines of everything that runs as the build's user."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"\nUid:\t{USER_ID}\t" in status.read_text():
                found.append((status.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def kill(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> int:
    """Send a signal, wait for the end; its status."""
    process.send_signal(number)
    code = process.wait(60)
    if process.stdout is not None:
        process.stdout.close()
    return code
