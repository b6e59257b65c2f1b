"""verify on real nodes: after a restart, with hosts that do not answer, and interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wslgpu.apply import ApplyRequest, run_apply
from wslgpu.lab import Lab
from wslgpu.report.record import Outcome, Record
from wslgpu.settings import PROJECT_ROOT
from wslgpu.verify import VerifyRequest, verify

pytestmark = pytest.mark.lab

INVENTORY = PROJECT_ROOT / "inventory" / "lab.py"
LabFactory = Callable[..., Lab]


def judge(lab: Lab, *suites: str, required: tuple[str, ...] = ()) -> Record:
    return verify(VerifyRequest(INVENTORY, suites=suites, required=required, environment=(("WSLGPU_LAB", lab.name),)))


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where verify makes its private directory, and nobody else does: short enough for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="wv-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


def masters(directory: Path) -> list[str]:
    """ssh processes that hold a connection of this directory's."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds, and fail if it does not come to."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_survives_a_restart(lab: Lab) -> None:
    result = run_apply(ApplyRequest(INVENTORY, environment=(("WSLGPU_LAB", lab.name),)))
    assert result.exit_code == 0, result.as_json()

    before = judge(lab, "after_reboot")
    assert before.exit_code == 2
    assert {check.outcome for check in before.hosts[0].checks} == {Outcome.UNKNOWN}
    assert "restarted" in before.hosts[0].checks[0].reason

    lab.node().reboot()
    after = judge(lab, "after_reboot")
    assert [(check.id, check.reason) for check in after.hosts[0].checks if check.outcome is not Outcome.PASS] == []
    assert after.exit_code == 0
    assert len(after.hosts[0].checks) >= 6


def test_a_stand_in_never_passes_for_a_gpu(lab: Lab) -> None:
    record = judge(lab, "cuda_kernel", required=("cuda_kernel.result",))
    outcomes = {check.id: check.outcome for check in record.hosts[0].checks}
    assert outcomes == {"cuda_kernel.library": Outcome.PASS, "cuda_kernel.result": Outcome.FAIL}
    assert record.as_json()["mark"] == "lab, stand-in driver"
    assert record.exit_code == 1


def test_a_host_that_does_not_answer_is_unknown_and_the_others_are_judged(new_lab: LabFactory, temporary: Path) -> None:
    made = new_lab(nodes=2, servers=False)
    (made.directory / "site.yml").write_text("profile: current\n")
    made.node("node2").kill()
    record = judge(made, "wsl")
    hosts = {host.name: host for host in record.hosts}
    assert hosts["node1"].judged
    assert hosts["node1"].exit_code == 0
    assert not hosts["node2"].checks
    assert hosts["node2"].unknown
    assert hosts["node2"].retryable
    assert record.exit_code == 2
    assert list(temporary.iterdir()) == []


def test_a_host_of_another_key_is_not_trusted(new_lab: LabFactory) -> None:
    made = new_lab(nodes=2, servers=False)
    (made.directory / "site.yml").write_text("profile: current\n")
    known = made.directory / "known_hosts"
    lines = [line.split() for line in known.read_text().splitlines()]
    known.write_text(f"{lines[0][0]} {lines[1][1]} {lines[1][2]}\n{' '.join(lines[1])}\n")
    record = judge(made, "wsl")
    hosts = {host.name: host for host in record.hosts}
    assert "host key" in hosts["node1"].unknown
    assert not hosts["node1"].retryable
    assert hosts["node2"].judged


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=("INT", "TERM"))
def test_an_interrupted_run_leaves_nothing(lab: Lab, temporary: Path, number: signal.Signals, code: int) -> None:
    program = (
        "import sys; from pathlib import Path; from wslgpu.verify import *;"
        f" r = verify(VerifyRequest(Path({str(INVENTORY)!r}), environment=(('WSLGPU_LAB', {lab.name!r}),)),"
        " lambda line: print(line, flush=True)); sys.exit(r.exit_code)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("node1: wsl:")
        if number is signal.SIGINT:
            os.killpg(child.pid, number)  # as a terminal does
        else:
            child.send_signal(number)
        assert child.wait(30) == code
    eventually(lambda: not masters(temporary))
    assert list(temporary.iterdir()) == []
    # what was sent to the node runs to its own end
    eventually(lambda: "wslgpu-check-" not in lab.node().run("ctr -n k8s.io containers ls -q", check=True).stdout)
