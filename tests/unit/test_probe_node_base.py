"""One run of the program: commands that hang or never stop, children that die, and what may stand in the document."""

from __future__ import annotations

import faulthandler
import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wslgpu.probe.document import SCHEMA, parse
from wslgpu.probe.node import base, values
from wslgpu.probe.node.base import NotSeenError, OutOfTime, Probe
from wslgpu.probe.node.child import Emit

IDS = {"a.one": "quick", "a.two": "quick", "a.three": "standard"}


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    monkeypatch.setenv("PATH", os.environ["PATH"])  # put back afterwards
    made = Probe("quick", "node", IDS, 60.0)
    yield made
    made.close()


def status(probe: Probe, observation_id: str) -> tuple[str, Any]:
    result = probe.results[observation_id]
    return result["status"], result.get("value", result.get("reason"))


# commands


def test_a_command_and_its_output(probe: Probe) -> None:
    done = probe.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.exit, done.out, done.err) == (3, "out\n", "err\n")
    assert (done.missing, done.hang, done.cut) == (False, False, False)


def test_a_command_runs_in_the_c_locale_with_no_input(probe: Probe) -> None:
    assert probe.run(["sh", "-c", 'cat; echo "$LC_ALL $WSLGPU_X"'], env={"WSLGPU_X": "x"}).out == "C x\n"


def test_a_program_that_is_not_there(probe: Probe) -> None:
    assert probe.run(["wslgpu-no-such-program"]).missing


def test_a_program_that_cannot_run(probe: Probe, tmp_path: Path) -> None:
    (tmp_path / "program").write_text("not one")
    assert probe.run([str(tmp_path / "program")]).exit == 126


def test_a_command_that_hangs_is_killed_with_its_children(probe: Probe, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    done = probe.run(["sh", "-c", f"sleep 60 & echo $! > {note}; wait"], timeout_s=0.3)
    assert done.hang
    assert _gone(int(note.read_text()))


def test_what_a_command_leaves_in_the_background_is_ended(probe: Probe, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    done = probe.run(["sh", "-c", f"sleep 60 & echo $! > {note}; echo done"])
    assert (done.exit, done.out, done.hang) == (0, "done\n", False)
    assert _gone(int(note.read_text()))


def test_a_command_that_writes_without_end_is_cut_off(probe: Probe) -> None:
    done = probe.run(["sh", "-c", "exec tr '\\0' x </dev/zero"], limit=1000, timeout_s=30)
    assert done.cut
    assert done.out == "x" * 1000
    probe.not_done("a.one", done, "tr")
    assert status(probe, "a.one") == ("unknown", "tr wrote more than it may and was killed")


def test_output_is_text_whatever_it_was(probe: Probe) -> None:
    assert probe.run(["printf", "\\377\\000x"]).out == "\ufffd\0x"


def test_several_commands_run_at_once(probe: Probe) -> None:
    # each waits for what the other writes; a full pipe of the second does not stop the first
    reader = probe.start(["sh", "-c", "sleep 0.2; echo first"])
    writer = probe.start(["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' y; echo second >&2"], limit=400000)
    assert probe.wait(reader).out == "first\n"
    done = probe.wait(writer)
    assert (len(done.out), done.err) == (300000, "second\n")


@pytest.mark.parametrize(
    ("script", "expected", "word"),
    [
        ("exit 2", "unknown", "ended with status 2"),
        ("echo why >&2; exit 2", "unknown", "why"),
        ("kill -SEGV $$", "crash", "11 (SIGSEGV)"),
        ("sleep 30", "hang", "did not end"),
    ],
    ids=["failed", "said why", "crashed", "hung"],
)
def test_a_command_that_must_answer(probe: Probe, script: str, expected: str, word: str) -> None:
    probe.look("a.one", lambda: probe.ask(["sh", "-c", script], timeout_s=0.3))
    assert status(probe, "a.one")[0] == expected
    assert word in status(probe, "a.one")[1]


def test_a_command_after_the_end_of_time(probe: Probe) -> None:
    probe.deadline = 0
    with pytest.raises(OutOfTime):
        probe.run(["true"])
    assert not issubclass(OutOfTime, Exception)


# children


def one(emit: Emit) -> None:
    emit("a.one", [1, None, "x\n", {"k": True}])


def then(action: Callable[[], object]) -> Callable[[Emit], None]:
    def function(emit: Emit) -> None:
        one(emit)
        action()

    return function


def test_a_child_tells(probe: Probe) -> None:
    probe.in_child(["a.one"], one)
    assert status(probe, "a.one") == ("observed", [1, None, "x\n", {"k": True}])


def _segfault() -> None:
    faulthandler.disable()  # pytest's would tell it
    os.kill(os.getpid(), signal.SIGSEGV)


def _abort() -> None:
    faulthandler.disable()
    os.abort()


@pytest.mark.parametrize(
    ("action", "expected", "word"),
    [
        (_segfault, "crash", "killed by signal 11 (SIGSEGV)"),
        (_abort, "crash", "SIGABRT"),
        (lambda: signal.pause(), "hang", "did not end within 0.5 s"),
        (lambda: os._exit(3), "unknown", "ended by itself with status 3"),
        (lambda: os._exit(0), "unknown", "did not tell"),
        (lambda: 1 / 0, "unknown", "ZeroDivisionError: division by zero"),
        (lambda: [0] * (1 << 40), "unknown", "MemoryError"),
    ],
    ids=["segfault", "abort", "hang", "exit", "exit 0", "exception", "memory"],
)
def test_a_child_that_does_not_come_to_its_end(
    probe: Probe, action: Callable[[], object], expected: str, word: str
) -> None:
    probe.in_child(["a.one", "a.two"], then(action), timeout_s=0.5)
    assert status(probe, "a.one")[0] == "observed"
    assert status(probe, "a.two")[0] == expected
    assert word in status(probe, "a.two")[1]


def test_what_a_dead_child_did_not_come_to_is_unknown(probe: Probe) -> None:
    probe.in_child(["a.one", "a.two", "a.three"], lambda _: _segfault())
    assert status(probe, "a.one")[0] == "crash"
    assert status(probe, "a.two") == ("unknown", "not reached: a.one ended in a crash")
    assert status(probe, "a.three")[0] == "unknown"


def test_a_child_says_what_it_looks_at(probe: Probe) -> None:
    def function(emit: Emit) -> None:
        emit.unknown("a.one", "not here")
        emit.begin("a.three")
        _segfault()

    probe.in_child(["a.one", "a.two", "a.three"], function)
    assert status(probe, "a.one") == ("unknown", "not here")
    assert status(probe, "a.two")[0] == "unknown"
    assert status(probe, "a.three")[0] == "crash"


def test_a_child_that_takes_memory_is_killed(probe: Probe) -> None:
    def function(_: Emit) -> None:
        kept = bytearray(200 << 20)
        signal.pause()
        del kept

    probe.in_child(["a.one"], function, timeout_s=20, memory_bytes=100 << 20)
    assert "100 MiB" in status(probe, "a.one")[1]


def test_a_child_that_tells_without_end_is_killed(probe: Probe) -> None:
    def function(emit: Emit) -> None:
        while True:
            emit("a.one", "x" * 10000)

    probe.in_child(["a.one", "a.two"], function, timeout_s=20)
    assert "more than it may" in status(probe, "a.two")[1]


def test_a_child_with_children_leaves_none(probe: Probe, tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def function(_: Emit) -> None:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        note.write_text(str(pid))
        signal.pause()

    probe.in_child(["a.one"], function, timeout_s=0.5)
    assert _gone(int(note.read_text()))


def test_a_wild_write_spoils_one_record_and_not_the_run(probe: Probe) -> None:
    def function(emit: Emit) -> None:
        os.write(emit._descriptor, b"\xff\0((((\n__import__('os')\n")
        emit("a.one", 1)

    probe.in_child(["a.one"], function)
    assert status(probe, "a.one") == ("observed", 1)


def test_a_child_cannot_tell_what_is_another_s(probe: Probe) -> None:
    def function(emit: Emit) -> None:
        emit("a.two", "mine now")
        emit("system.lab", {"stand_in": False})

    probe.in_child(["a.one"], function)
    assert set(probe.results) == {"a.one"}


def test_a_child_has_no_output_and_cannot_make_the_folder(probe: Probe, capfd: pytest.CaptureFixture[str]) -> None:
    def function(emit: Emit) -> None:
        os.write(1, b"noise")
        probe.folder()

    probe.in_child(["a.one"], function)
    assert "ask for the folder before forking" in status(probe, "a.one")[1]
    assert capfd.readouterr().out == ""


# what is put down


def test_what_raises_is_one_unknown(probe: Probe) -> None:
    def refuse() -> None:
        raise NotSeenError("nobody may")

    probe.look("a.one", refuse)
    probe.look("a.two", lambda: os.environ["WSLGPU NOT THERE"])
    assert status(probe, "a.one") == ("unknown", "nobody may")
    assert status(probe, "a.two") == ("unknown", "KeyError: 'WSLGPU NOT THERE'")


def test_unknown_never_takes_the_place_of_what_was_found(probe: Probe) -> None:
    probe.observed("a.one", 1)
    probe.unknown("a.one", "the topic failed later")
    probe.hang("a.two", "hung")
    probe.unknown("a.two", "the topic failed later")
    assert status(probe, "a.one") == ("observed", 1)
    assert status(probe, "a.two")[0] == "hang"


def test_an_id_that_is_in_no_table(probe: Probe) -> None:
    with pytest.raises(KeyError):
        probe.observed("a.four", 1)


def test_levels(probe: Probe) -> None:
    assert [level for level in base.LEVELS if probe.wants(level)] == ["quick"]
    assert Probe("full", "node", IDS, 1.0).wants("standard")


@pytest.mark.parametrize("value", [math.nan, math.inf, 1 << 70, object(), [[[[[[[[[[[]]]]]]]]]]]])
def test_values_that_a_document_cannot_hold(probe: Probe, value: Any) -> None:
    probe.observed("a.one", value)
    assert status(probe, "a.one")[0] == "unknown"


def test_a_value_that_is_too_large(probe: Probe) -> None:
    probe.observed("a.one", ["x" * 10000] * 100)
    assert "bytes long" in status(probe, "a.one")[1]


def test_a_document_that_would_be_too_large() -> None:
    ids = {f"a.n{number}": "quick" for number in range(40)}
    probe = Probe("quick", "node", ids, 10.0)
    for key in ids:
        probe.observed(key, ["x" * 10000] * 10)
    assert len(values.to_json(probe.results)) < 2 << 20
    assert status(probe, "a.n0")[0] == "observed"
    assert status(probe, "a.n39") == ("unknown", "the document would be too large")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_is_json(value: Any) -> None:
    try:
        plain = values.plain(value)
    except ValueError:
        return
    text = values.to_json(plain)
    assert json.loads(text) == plain
    assert text.isascii()
    assert "\n" not in text


@given(JSON)
def test_every_value_that_is_put_down_can_be_read(value: Any) -> None:
    probe = Probe("quick", "node", IDS, 10.0)
    probe.observed("a.one", value)
    run = {"level": "quick", "view": "node", "interpreter": "x", "started": 0.0, "duration_s": 0.0, "cpu_s": 0.0}
    document = {"schema": SCHEMA, "probe": {**run, "uid": 0}, "observations": probe.results}
    assert parse(values.to_json(document)).observations["a.one"].value == probe.results["a.one"].get("value")


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert values.plain({"\udcff": ["\ud800x"]}) == {"?": ["?x"]}


def test_the_folder_is_private_and_goes(probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder = Path(probe.folder())
    assert probe.folder() == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "file").write_text("x")
    probe.close()
    assert not folder.exists()
    probe.close()


def test_commands_that_still_run_are_ended_with_the_probe(probe: Probe) -> None:
    running = probe.start(["sleep", "60"], timeout_s=60)
    probe.close()
    assert running.process.wait(5) == -signal.SIGKILL
    for stream in (running.process.stdout, running.process.stderr):
        assert stream is not None
        stream.close()


def _gone(pid: int) -> bool:
    """SIGKILL takes a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False
