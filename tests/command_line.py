"""The command `wslgpu` as it is typed, for tests."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from wslgpu.cli import main
from wslgpu.project import PROJECT_ROOT


def wslgpu(*words: str | Path, cwd: Path = PROJECT_ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the command prints and ends with; in a process of its own only where the environment is another."""
    arguments = [str(word) for word in words]
    done = in_a_process(arguments, cwd, environment) if environment else in_this_process(arguments, cwd)
    assert "Traceback" not in done.stderr
    assert "wslgpu itself failed" not in done.stderr, done.stderr
    return done


def in_a_process(words: list[str], cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wslgpu.cli", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT), **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def in_this_process(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same entry point without Python's start and the catalogue's reading each time."""
    out, err = io.StringIO(), io.StringIO()
    before, argv = Path.cwd(), sys.argv
    os.chdir(cwd)
    sys.argv = ["wslgpu", *words]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
            main()
    finally:
        sys.argv = argv
        os.chdir(before)
    assert isinstance(end.value.code, int)
    return subprocess.CompletedProcess(words, end.value.code, out.getvalue(), err.getvalue())
