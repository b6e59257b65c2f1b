"""Asking many at once: what comes back, and what is done to those who say too much, nothing, or the wrong thing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wslgpu.errors import ErrorClass
from wslgpu.probe.channels import LOCAL, Kind, Target
from wslgpu.probe.document import SCHEMA, View, parse
from wslgpu.probe.failures import failure
from wslgpu.probe.gather import OUTPUT_LIMIT_BYTES, Answer, send

RUN = {"level": "quick", "view": "node", "interpreter": "sh", "started": 1.0, "duration_s": 0.1, "cpu_s": 0.1, "uid": 0}
DOCUMENT = {"schema": SCHEMA, "probe": RUN, "observations": {"system.cpus": {"status": "observed", "value": 2}}}
GOOD = f"cat <<'END'\n{json.dumps(DOCUMENT)}\nEND\n"


def ask(script: str, timeout_s: float = 20.0, target: Target = LOCAL) -> Answer:
    (answer,) = send([target], dict.fromkeys(View, script.encode()), parse, timeout_s=timeout_s).answers
    return answer


def gone(pid: int) -> bool:
    """Whether a process is gone, or soon is: to kill is to ask for it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 20
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_text()


def test_a_document_is_read_and_stamped() -> None:
    before = time.time()
    answer = ask(GOOD)
    assert answer.error is None
    assert answer.document is not None
    assert answer.document.get("system.cpus").value == 2
    assert before <= answer.document.received <= time.time()


def test_a_document_counts_whatever_the_client_says_beside_it() -> None:
    assert ask(f"echo 'Warning: something' >&2\n{GOOD}exit 3\n").document is not None


def test_an_answer_may_come_before_the_script_is_read() -> None:
    rest = "# what sh never reads\n" * 50_000
    assert ask(f"{GOOD}exit 0\n{rest}").document is not None


def test_endless_output_is_cut_off() -> None:
    answer = ask("while :; do printf '%065536d' 0; done", timeout_s=60)
    assert answer.error is not None
    assert answer.error.error_class is ErrorClass.INTEGRITY
    assert f"{OUTPUT_LIMIT_BYTES >> 20} MiB" in answer.error.what


def test_endless_complaints_do_not_hold_up_the_answer() -> None:
    answer = ask(f"head -c 9000000 /dev/zero >&2\n{GOOD}")
    assert answer.document is not None


def test_garbage_is_an_error_of_integrity() -> None:
    answer = ask("echo '<h1>it works</h1>'")
    assert answer.error is not None
    assert (answer.error.error_class, answer.error.where) == (ErrorClass.INTEGRITY, "local")


def test_no_answer_in_time_ends_all_that_the_client_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    answer = ask(f"sleep 600 & echo $$ $! >{pids}\nwait\n", timeout_s=1.0)
    assert answer.error is not None
    assert (answer.error.error_class, answer.error.retryable) == (ErrorClass.TIMEOUT, True)
    assert answer.error.exit_code == 2
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_what_is_ended_may_tidy_up_but_not_stay(tmp_path: Path) -> None:
    folder, pid = tmp_path / "folder", tmp_path / "pid"
    folder.mkdir()
    script = f"(trap 'sleep 0.2; rmdir {folder}' TERM; (trap '' TERM; exec sleep 600) & echo $! >{pid}; wait) &\nwait\n"
    assert ask(script, timeout_s=1.0).document is None
    assert not folder.exists()
    assert gone(int(pid.read_text()))


def test_what_holds_the_pipes_outside_the_group_does_not_hold_us(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    answer = ask(f"setsid sleep 600 <&- & echo $! >{pid}\n{GOOD}", timeout_s=2.0)
    try:
        assert answer.error is not None
        assert answer.error.error_class is ErrorClass.TIMEOUT
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_a_missing_client_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for kind, says in ((Kind.SSH, "openssh-client"), (Kind.KUBECTL, "kubectl"), (Kind.WSL, "interop")):
        error = ask(GOOD, target=Target("there", kind, "a/b")).error
        assert error is not None
        assert error.what.startswith("there is no ")
        assert says in error.next_step


def test_the_slow_and_the_dead_do_not_hold_up_the_others() -> None:
    said: list[str] = []
    slow, dead = Target("slow", Kind.DOCKER, "x"), Target("dead", Kind.SSH, "")
    payloads = {View.NODE: GOOD.encode(), View.CONTAINER: b""}
    targets = [dead, *[LOCAL] * 8, slow]
    answers = send(targets, payloads, parse, concurrency=3, progress=said.append).answers
    assert [answer.target for answer in answers] == targets
    assert [answer.document is not None for answer in answers] == [False, *[True] * 8, False]
    assert len(said) == 10


def test_no_more_at_once_than_asked_for(tmp_path: Path) -> None:
    # each has a folder while it runs, and notes all folders
    script = f"mkdir {tmp_path}/$$\nls {tmp_path} >{tmp_path}.$$\nsleep 0.2\nrmdir {tmp_path}/$$\n"
    answers = send([LOCAL] * 12, {View.NODE: (script + GOOD).encode()}, parse, concurrency=4).answers
    assert all(answer.document for answer in answers)
    seen = [len(path.read_text().split()) for path in tmp_path.parent.glob(f"{tmp_path.name}.*")]
    assert len(seen) == 12
    assert 1 < max(seen) <= 4


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_clients_and_keeps_what_was_found(tmp_path: Path, number: signal.Signals, code: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from wslgpu.probe.channels import *\nfrom wslgpu.probe.document import *\nfrom wslgpu.probe.gather import *\n"
        "import pathlib, sys\n"
        "good, hanging = pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2]).read_bytes()\n"
        "hanging = b'echo() { command echo \"$@\"; }\\n' + hanging\n"
        "targets = [LOCAL, Target('pod', Kind.DOCKER, 'c')]\n"
        "done = send(targets, {View.NODE: good, View.CONTAINER: hanging}, parse, timeout_s=60, progress=print)\n"
        "print(done.interrupted, [a.document is not None for a in done.answers], done.answers[1].error.what)\n"
    )
    pids = tmp_path / "pids"
    (tmp_path / "good").write_text(GOOD)
    (tmp_path / "hanging").write_text(f"sleep 600 & echo $$ $! >{pids}\nwait\n")
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexec sh -s\n")
    docker.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-u", str(program), str(tmp_path / "good"), str(tmp_path / "hanging")],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("local: answered")
    clients = wait_for(pids).split()
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"{code} [True, False] was interrupted" in output
    assert all(gone(int(pid)) for pid in clients)


SSH = Target("node1", Kind.SSH, "node1")
DOCKER = Target("docker://c", Kind.DOCKER, "c")
CHANGED = "@@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nHost key verification failed.\r\n"
NO_SH = 'OCI runtime exec failed: exec failed: unable to start container process: exec: "sh": executable file not found'


@pytest.mark.parametrize(
    ("target", "status", "errors", "says", "error_class", "retryable"),
    [
        (SSH, 255, "ssh: Could not resolve hostname node1: Name not known\n", "Could not resolve", "network", True),
        (SSH, 255, "ssh: connect to host node1 port 22: Connection refused\n", "Connection refused", "network", True),
        (SSH, 255, "", "cannot be reached", "network", True),
        (SSH, 255, CHANGED, "host key", "network", False),
        (SSH, 255, "root@node1: Permission denied (publickey).\n", "refused the login", "network", False),
        (SSH, 127, "bash: line 1: sh: command not found\n", "sh cannot be started", "platform", False),
        (SSH, -9, "", "ended by signal 9", "platform", True),
        (DOCKER, 126, f"{NO_SH} in $PATH: unknown\n", "the container has no sh", "platform", False),
        (DOCKER, 1, "Error response from daemon: No such container: c\n", "is not there", "platform", False),
        (DOCKER, 1, "permission denied while trying to connect to the docker API\n", "permission", "platform", False),
        (DOCKER, 1, "Cannot connect to the Docker daemon at unix:///x.\n", "Cannot connect", "network", True),
        (LOCAL, 1, "\x1b[31mbad\x1b[0m\x07\n", "bad", "platform", True),
        (Target("w", Kind.WSL, "D"), 1, "T\0h\0e\0 \0e\0n\0d\0\r\0\n\0", "The end", "platform", True),
    ],
)
def test_the_clients_words_become_an_error(
    target: Target, status: int, errors: str, says: str, error_class: str, retryable: bool
) -> None:
    error = failure(target, status, errors)
    assert says in error.what
    assert (error.error_class.value, error.retryable, error.where) == (error_class, retryable, target.name)
    assert "\x1b" not in str(error)
    assert error.next_step


def test_a_client_that_fails_without_an_answer_is_quoted() -> None:
    error = ask("echo 'the disk is full' >&2\nexit 4\n").error
    assert error is not None
    assert "ended with status 4" in error.what
    assert "the disk is full" in error.what


def test_a_session_is_not_marked_done_by_an_empty_answer() -> None:
    error = ask("exit 0\n").error
    assert error is not None
    assert error.error_class is ErrorClass.INTEGRITY
