"""What a build says while it runs, and how long it thinks it will take."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from wslgpu.build import history
from wslgpu.build.history import Run, duration_words, estimate, remember, runs
from wslgpu.build.progress import Progress, last_words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_steps_without_a_terminal_are_lines() -> None:
    out = io.StringIO()
    progress = Progress(out, 2, "x: ")
    with progress.step("root", "the clean root"):
        progress.doing("making it")
    with progress.step("compile", "x"):
        progress.say("warning: something")
    assert out.getvalue().splitlines() == [
        "x: [1/2] root: the clean root",
        "x: [1/2] root: making it",
        "x: [2/2] compile: x",
        "x: warning: something",
    ]
    assert set(progress.durations) == {"root", "compile"}


def test_on_a_terminal_one_line_is_redrawn_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = Terminal()
    progress = Progress(out, 1)
    with progress.step("compile", "a-build-with-a-very-long-name-that-does-not-fit"):
        pass
    drawn = out.getvalue()
    assert drawn.count("\n") == 1
    first = drawn.split("\r\x1b[K")[1]
    assert len(first) < 40
    assert drawn.endswith("compile: a-build-with-a-very-long-name-that-does-not-fit: 0 s\n")


def test_a_step_that_fails_is_not_shown_as_done() -> None:
    out = Terminal()
    progress = Progress(out, 1)
    with pytest.raises(ValueError, match="x"), progress.step("compile", "a"):
        raise ValueError("x")
    assert out.getvalue().endswith("[1/1] compile: a: ended early, after 0 s\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1/527] Compiling a.c\n[2/527] Compiling b.c\nwarning: x\n", "[2/527] Compiling b.c"),
        ("CC libavcodec/a.o\nCC libavcodec/b.o\n", "CC libavcodec/b.o"),
        ("[ 50%] Building CXX\n", "[ 50%] Building CXX"),
        ("\x1b[31mred\x1b[0m\x07 \x9b31m\u202etext\n\n", "red 31mtext"),
        ("one\rtwo\r", "two"),
        ("", ""),
        ("x" * 500 + "\n", "x" * 100),
    ],
)
def test_the_last_words_of_a_log_are_fit_for_a_terminal(tmp_path: Path, text: str, said: str) -> None:
    log = tmp_path / "log"
    log.write_text(f"[9/9] of an earlier step\n{text}")
    assert last_words(log, len("[9/9] of an earlier step\n")) == said
    assert last_words(tmp_path / "none", 0) == ""


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSLGPU_CACHE_DIR", str(tmp_path))
    return tmp_path


def run(duration_s: float, ccache: str, build: str = "x-1") -> Run:
    return Run(build, 1_700_000_000, duration_s, 2, ccache, {"compile": 1.0})


@pytest.mark.usefixtures("own_cache")
def test_an_estimate_is_the_last_like_build_or_says_that_it_is_a_guess() -> None:
    guess = estimate("x", "x-1", 300, "cold")
    assert str(guess) == "about 5 min 0 s (the recipe's guess for two cores; not measured on this machine yet)"
    remember("x", run(100, "cold"))
    remember("x", run(10, "warm"))
    assert estimate("x", "x-1", 300, "cold").seconds == 100
    assert estimate("x", "x-1", 300, "warm").seconds == 10
    assert estimate("x", "x-2", 300, "cold").seconds == 300, "another row is another build"
    assert "measured here on 2023-11-1" in str(estimate("x", "x-1", 300, "cold"))


@pytest.mark.usefixtures("own_cache")
def test_a_warm_build_says_nothing_about_a_cold_one() -> None:
    remember("x", run(10, "warm"))
    assert estimate("x", "x-1", 300, "cold").seconds == 300
    assert estimate("x", "x-1", 300, "off").seconds == 300


def test_a_history_that_is_none_is_none_and_a_long_one_is_cut(own_cache: Path) -> None:
    (own_cache / "history").mkdir()
    (own_cache / "history" / "x.json").write_text('[{"build": 1}]')
    assert runs("x") == []
    for number in range(history.KEPT + 5):
        remember("x", run(number, "cold"))
    assert [entry.duration_s for entry in runs("x")][:2] == [24, 23]
    assert len(runs("x")) == history.KEPT


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3800, "1 h 3 min")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words
