"""cuda.* against the stand-in driver, scenario by scenario: what is seen of each machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.probe_driver import ids, observed, tree, value
from wslgpu.probe.document import Level
from wslgpu.probe.node import cuda
from wslgpu.probe.node.base import Probe
from wslgpu.probe.node.call import READ_TIMEOUT_S
from wslgpu.probe.node.cuda_numbers import ATTRIBUTES
from wslgpu.probe.node.cuda_pinned import group_room, pinned_limit
from wslgpu.probe.program import payload

pytestmark = pytest.mark.compiled

GIB = 1 << 30


def result(found: dict[str, Any], observation_id: str) -> tuple[int, str]:
    answer = value(found, observation_id)
    return answer["result"], answer["name"]


def test_the_topic_speaks_of_every_cuda_observation_that_calls_the_driver() -> None:
    elsewhere = {"cuda.toolkit", "cuda.checkpoint_tool", "cuda.mps"}
    expected = {name: level for name, level in ids().items() if name.startswith("cuda.") and name not in elsewhere}
    assert {name for name, level in expected.items() if level == "quick"} == set(cuda.QUICK)
    assert {name for name, level in expected.items() if level == "standard"} == set(cuda.STANDARD)


def test_quick_reads_and_makes_no_context() -> None:
    found = observed("cuda", scenario="two-gpus")
    assert set(found) == set(cuda.QUICK)
    assert value(found, "cuda.library") == {"path": str(tree("two-gpus") / "libcuda.so.1")}
    assert value(found, "cuda.init") == {"result": 0, "name": "CUDA_SUCCESS"}
    assert value(found, "cuda.driver_version") == 13000
    assert value(found, "cuda.device_count") == 2
    device = value(found, "cuda.devices")[1]
    assert device == {"name": "NVIDIA L20 (stand-in)", "total_bytes": 46068 << 20, "compute_capability": "8.9"}
    pairs = [(row["from"], row["to"], row["can_access"], row["result"]) for row in value(found, "cuda.peer")]
    assert pairs == [(0, 1, 0, 0), (1, 0, 0, 0)]
    attributes = value(found, "cuda.attributes")
    assert set(attributes) <= set(ATTRIBUTES)
    assert attributes["MANAGED_MEMORY"] == [1, 1]
    assert attributes["CONCURRENT_MANAGED_ACCESS"] == [0, 0]


def test_a_healthy_wsl2_node_at_standard() -> None:
    found = observed("cuda", scenario="one-gpu", level="standard")
    assert set(found) == {*cuda.QUICK, *cuda.STANDARD}
    for name in ("cuda.context", "cuda.pinned.register", "cuda.pinned.mapped", "cuda.vmm.map", "cuda.pool.default"):
        assert result(found, name) == (0, "CUDA_SUCCESS"), name
    assert value(found, "cuda.alloc") == {"result": 0, "name": "CUDA_SUCCESS", "correct": True, "bytes": 16 << 20}
    assert value(found, "cuda.kernel") == {"result": 0, "name": "CUDA_SUCCESS", "correct": True}
    assert value(found, "cuda.managed.touch")["correct"] is True
    assert result(found, "cuda.managed.prefetch") == (101, "CUDA_ERROR_INVALID_DEVICE")
    assert found["cuda.managed.touch_concurrent"]["status"] == "crash"
    assert result(found, "cuda.pool.posix_fd") == (1, "CUDA_ERROR_INVALID_VALUE")
    assert result(found, "cuda.vmm.posix_fd") == (101, "CUDA_ERROR_INVALID_DEVICE")
    assert result(found, "cuda.ipc.get") == (0, "CUDA_SUCCESS")
    assert result(found, "cuda.ipc.open") == (400, "CUDA_ERROR_INVALID_HANDLE")
    assert value(found, "cuda.vmm.reserve") == {"result": 0, "name": "CUDA_SUCCESS", "bytes": 32 * GIB}
    assert value(found, "cuda.memory") == [{"free_bytes": (46068 - 512) << 20, "total_bytes": 46068 << 20}]
    assert "needs two devices" in found["cuda.peer.copy"]["reason"]


def test_bare_metal_at_standard() -> None:
    found = observed("cuda", scenario="bare-metal-two-gpus", level="standard")
    for name in cuda.STANDARD:
        answer = value(found, name)
        if name not in ("cuda.memory", "cuda.pinned.budget"):
            assert answer["result"] == 0, name
            assert answer.get("correct", True) is True, name
    assert value(found, "cuda.checkpoint.state")["state"] == 0
    assert value(found, "cuda.peer")[0]["can_access"] == 1


def test_no_driver_is_seen_once_and_is_the_reason_for_the_rest() -> None:
    found = observed("cuda", level="standard")
    assert value(found, "cuda.library") is None
    rest = [row for name, row in found.items() if name != "cuda.library"]
    assert len(rest) == len(cuda.QUICK) + len(cuda.STANDARD) - 1
    assert all(row["status"] == "unknown" and "libcuda.so.1: cannot open" in row["reason"] for row in rest)


@pytest.mark.parametrize(
    ("scenario", "code", "name"),
    [
        ("no-devices", 100, "CUDA_ERROR_NO_DEVICE"),
        ("tcc-blocked", 100, "CUDA_ERROR_NO_DEVICE"),
        ("store-gone", 500, "CUDA_ERROR_NOT_FOUND"),
        ("version-mismatch", 803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
    ],
)
def test_a_driver_that_does_not_start(scenario: str, code: int, name: str) -> None:
    found = observed("cuda", scenario=scenario, level="standard")
    assert result(found, "cuda.init") == (code, name)
    for later in ("cuda.device_count", "cuda.devices", "cuda.context", "cuda.kernel", "cuda.ipc.open"):
        assert found[later] == {"status": "unknown", "reason": f"cuInit: {name}"}


def test_a_driver_that_counts_no_device_is_the_reason_too() -> None:
    probe = Probe("standard", "node", ids(), 60.0)
    assert cuda.without_devices(probe) == "cuInit: not called"
    probe.observed("cuda.init", {"result": 0, "name": "CUDA_SUCCESS"})
    assert cuda.without_devices(probe) == "cuDeviceGetCount: not called"
    probe.observed("cuda.device_count", 0)
    assert cuda.without_devices(probe) == "the driver counts no device"
    probe.observed("cuda.device_count", 1)
    assert cuda.without_devices(probe) == ""


def test_a_segfault_in_cuinit_leaves_what_was_seen_before() -> None:
    found = observed("cuda", scenario="cuinit-segfault", level="standard")
    assert value(found, "cuda.driver_version") == 13000
    assert found["cuda.init"]["status"] == "crash"
    assert "SIGSEGV" in found["cuda.init"]["reason"]
    assert found["cuda.devices"]["status"] == "unknown"
    assert found["cuda.kernel"]["status"] == "unknown"


def test_a_hang_in_cuinit_is_ended() -> None:
    found = observed("cuda", scenario="cuinit-hang")
    assert found["cuda.init"]["status"] == "hang"
    assert value(found, "cuda.symbols")["cuMemCreate"] is True


def test_a_crash_among_the_steps_costs_that_step_alone() -> None:
    found = observed("cuda", scenario="graph-crashes", level="standard")
    assert found["cuda.graph"]["status"] == "crash"
    assert value(found, "cuda.kernel")["correct"] is True
    assert result(found, "cuda.managed.alloc") == (0, "CUDA_SUCCESS")
    assert value(found, "cuda.pinned.budget")["granted_bytes"] == GIB


def test_managed_memory_that_may_never_be_touched() -> None:
    found = observed("cuda", scenario="managed-touch-crashes-idle", level="standard")
    assert found["cuda.managed.touch"]["status"] == "crash"
    assert result(found, "cuda.managed.alloc") == (0, "CUDA_SUCCESS")


@pytest.mark.parametrize(
    ("scenario", "observation", "code"),
    [
        ("managed-concurrent-works", "cuda.managed.touch_concurrent", 0),
        ("managed-concurrent-works", "cuda.managed.prefetch", 0),
        ("attribute-lies-pools", "cuda.pool.default", 801),
        ("attribute-lies-pools", "cuda.pool.posix_fd", 801),
        ("ipc-get-fails", "cuda.ipc.get", 801),
        ("ipc-works", "cuda.ipc.open", 0),
        ("ipc-works", "cuda.ipc.event", 0),
        ("reserve-refused", "cuda.vmm.reserve", 2),
        ("kernel-refused", "cuda.kernel", 222),
    ],
)
def test_answers_of_single_functions(scenario: str, observation: str, code: int) -> None:
    found = observed("cuda", scenario=scenario, level="standard")
    assert result(found, observation)[0] == code


def test_an_attribute_that_lies_stands_beside_what_the_function_did() -> None:
    found = observed("cuda", scenario="attribute-lies-managed", level="standard")
    assert value(found, "cuda.attributes")["CONCURRENT_MANAGED_ACCESS"] == [1]
    assert found["cuda.managed.touch_concurrent"]["status"] == "crash"


def test_a_handle_that_is_not_made_cannot_be_opened() -> None:
    found = observed("cuda", scenario="ipc-get-fails", level="standard")
    assert found["cuda.ipc.open"]["status"] == "unknown"
    assert "CUDA_ERROR_NOT_SUPPORTED" in found["cuda.ipc.open"]["reason"]


@pytest.mark.parametrize(
    ("scenario", "granted"), [("pinned-limit-512m", GIB // 2), ("pinned-limit-1g", GIB), ("pinned-none", 0)]
)
def test_pinned_memory_is_climbed_until_it_is_refused(scenario: str, granted: int) -> None:
    budget = value(observed("cuda", scenario=scenario, level="standard"), "cuda.pinned.budget")
    assert budget == {
        "granted_bytes": granted,
        "step_bytes": 64 << 20,
        "tried_bytes": granted + (64 << 20),
        "stopped_by": "CUDA_ERROR_OUT_OF_MEMORY",
    }


def test_pinned_memory_is_never_more_than_a_quarter_of_what_is_available() -> None:
    assert pinned_limit("MemTotal: 1 kB\nMemAvailable: 67108864 kB\n") == 4 * GIB
    assert pinned_limit("MemAvailable: 2097152 kB\n") == GIB // 2
    assert pinned_limit("MemAvailable: 300000 kB\n") == 64 << 20
    assert pinned_limit("MemAvailable: 100000 kB\n") == 0
    assert pinned_limit("nonsense") == 0
    assert pinned_limit("MemAvailable: 67108864 kB\n", GIB) == GIB // 4
    assert pinned_limit("MemAvailable: 67108864 kB\n", -5) == 0


def test_a_container_s_limit_counts_and_so_do_those_above_it(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert group_room("0::/a/b\n", str(tmp_path)) is None
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("100\n")
    assert group_room("0::/a/b\n", str(tmp_path)) is None
    (tmp_path / "a" / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "a" / "memory.current").write_text(f"{GIB // 2}\n")
    assert group_room("0::/a/b\n", str(tmp_path)) == GIB // 2
    old = tmp_path / "memory" / "docker"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text(f"{GIB}\n")
    (old / "memory.usage_in_bytes").write_text("0\n")
    assert group_room("4:cpu,cpuacct:/x\n7:memory:/docker\n", str(tmp_path)) == GIB


@pytest.mark.parametrize(
    ("scenario", "observation"),
    [
        ("kernel-wrong", "cuda.kernel"),
        ("copy-wrong", "cuda.alloc"),
        ("peer-claimed-and-wrong", "cuda.peer.copy"),
    ],
)
def test_a_wrong_result_without_an_error_is_not_correct(scenario: str, observation: str) -> None:
    answer = value(observed("cuda", scenario=scenario, level="standard"), observation)
    assert (answer["result"], answer["correct"]) == (0, False)


def test_a_checkpoint_that_is_refused_leaves_restoring_untried() -> None:
    found = observed("cuda", scenario="checkpoint-refused", level="standard")
    assert value(found, "cuda.checkpoint.state") == {"result": 0, "name": "CUDA_SUCCESS", "state": 0}
    assert result(found, "cuda.checkpoint.lock") == (0, "CUDA_SUCCESS")
    assert result(found, "cuda.checkpoint.checkpoint") == (801, "CUDA_ERROR_NOT_SUPPORTED")
    assert found["cuda.checkpoint.restore"]["status"] == "unknown"
    assert "CUDA_ERROR_NOT_SUPPORTED" in found["cuda.checkpoint.restore"]["reason"]


def test_a_checkpoint_that_works_is_restored() -> None:
    found = observed("cuda", scenario="checkpoint-works", level="standard")
    assert result(found, "cuda.checkpoint.checkpoint") == (0, "CUDA_SUCCESS")
    assert result(found, "cuda.checkpoint.restore") == (0, "CUDA_SUCCESS")


def test_an_old_driver_without_the_newer_functions() -> None:
    found = observed("cuda", scenario="driver-r510", level="standard")
    symbols = value(found, "cuda.symbols")
    assert symbols["cuCheckpointProcessLock"] is False
    assert symbols["cuMemPoolCreate"] is True
    assert found["cuda.checkpoint.lock"]["status"] == "unknown"
    assert found["cuda.checkpoint.state"]["reason"] == "libcuda exports no cuCheckpointProcessGetState"
    assert result(found, "cuda.managed.prefetch") == (101, "CUDA_ERROR_INVALID_DEVICE"), "by the older function"


def left_over(token: str) -> list[str]:
    """Processes that still have a word in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if token.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("settings", "observation"),
    [
        ("cuda.cuIpcOpenMemHandle = segfault", "cuda.ipc.open"),
        ("cuda.cuCheckpointProcessLock = segfault", "cuda.checkpoint.lock"),
        pytest.param("cuda.cuIpcOpenMemHandle = hang", "cuda.ipc.open", marks=pytest.mark.long),
        pytest.param("cuda.cuCheckpointProcessRestore = hang", "cuda.checkpoint.restore", marks=pytest.mark.long),
    ],
)
def test_a_second_process_never_outlives_the_first(settings: str, observation: str) -> None:
    libraries = tree("bare-metal", settings)
    found = observed("cuda", libraries=libraries, level="standard")
    assert found[observation]["status"] == ("hang" if "hang" in settings else "crash")
    assert value(found, "cuda.kernel")["correct"] is True
    assert left_over(str(libraries)) == []


def test_a_context_that_is_refused_is_the_reason_for_the_rest() -> None:
    found = observed("cuda", "codec", libraries=tree("one-gpu", "cuda.cuDevicePrimaryCtxRetain = 2"), level="standard")
    assert result(found, "cuda.context") == (2, "CUDA_ERROR_OUT_OF_MEMORY")
    assert found["cuda.kernel"]["reason"] == "there is no context: CUDA_ERROR_OUT_OF_MEMORY"
    assert "CUDA_ERROR_OUT_OF_MEMORY" in found["codec.nvenc.session"]["reason"]


def test_a_result_that_the_table_does_not_know_keeps_its_number() -> None:
    found = observed("cuda", libraries=tree("one-gpu", "cuda.cuMemHostRegister = 4711"), level="standard")
    answer = value(found, "cuda.pinned.register")
    assert answer["result"] == 4711
    assert answer["name"].endswith("4711") or answer["name"].startswith("CUDA_ERROR")


def test_a_context_that_answers_with_an_error_is_none() -> None:
    found = observed("cuda", libraries=tree("bare-metal", "cuda.cuCtxSynchronize = 700"), level="standard")
    assert result(found, "cuda.context") == (700, "CUDA_ERROR_ILLEGAL_ADDRESS")
    assert found["cuda.alloc"]["reason"] == "there is no context: CUDA_ERROR_ILLEGAL_ADDRESS"


@pytest.mark.parametrize("number", [signal.SIGHUP, pytest.param(signal.SIGKILL, marks=pytest.mark.long)])
def test_a_probe_that_is_killed_leaves_no_child_that_hangs(number: signal.Signals) -> None:
    """By SIGHUP, as sshd's when the connection breaks, at once; by SIGKILL, when the child's own time is over."""
    libraries = tree("one-gpu", "cuda.cuInit = hang")
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(libraries)}
    with subprocess.Popen(
        ["sh", "-s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
        # whoever runs the tests under nohup has it ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    ) as shell:
        assert shell.stdin is not None
        shell.stdin.write(payload(Level.QUICK))
        shell.stdin.close()
        until = time.monotonic() + 10
        while not hanging(libraries) and time.monotonic() < until:
            time.sleep(0.05)
        assert hanging(libraries), "the child has loaded libcuda and hangs in cuInit"
        os.killpg(shell.pid, number)
        assert shell.wait(10) != 0
    until = time.monotonic() + (READ_TIMEOUT_S / 2 if number == signal.SIGHUP else READ_TIMEOUT_S + 3)
    while left_over(str(libraries)) and time.monotonic() < until:
        time.sleep(0.05)
    assert left_over(str(libraries)) == []


def hanging(libraries: Path) -> bool:
    """Whether a process has this libcuda mapped."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(libraries / "libcuda.so.1") in (folder / "maps").read_text(errors="replace"):
                return True
        except OSError:
            continue
    return False
