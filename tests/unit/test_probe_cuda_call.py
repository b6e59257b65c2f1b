"""Libraries found and mapped, and steps that outlive the one that kills their process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.probe_driver import ids, observed
from wslgpu.probe.node import cuda
from wslgpu.probe.node.base import Probe
from wslgpu.probe.node.call import Library, NoLibraryError, UnavailableError, mapped_file, run_steps

MAPS = """\
55a0-55b0 r--p 00000000 08:01 11 /usr/bin/python3.11
7f00-7f10 r--p 00000000 00:2e 12 /usr/lib/wsl/lib/libcuda.so.1
7f10-7f40 r-xp 00010000 00:2e 12 /usr/lib/wsl/lib/libcuda.so.1
7f80-7fa0 r-xp 00000000 00:2f 13 /usr/lib/wsl/drivers/nv_dispi.inf_amd64_1/libcuda.so.1.1 (deleted)
7ff0-7ff8 rw-p 00000000 00:00 0 [stack]
7ffa-7ffb rw-p 00000000 00:00 0
"""


def test_the_file_at_an_address_is_the_one_that_was_mapped_there() -> None:
    assert mapped_file(MAPS, 0x7F20, "libcuda.so") == "/usr/lib/wsl/lib/libcuda.so.1"
    assert mapped_file(MAPS, 0x7F80, "libcuda.so").startswith("/usr/lib/wsl/drivers/nv_dispi")
    assert mapped_file(MAPS, 0x7FA0, "libcuda.so") == "/usr/lib/wsl/lib/libcuda.so.1", "the end is not within"


def test_without_an_address_the_first_of_that_name_counts() -> None:
    assert mapped_file(MAPS, 0, "libcuda.so") == "/usr/lib/wsl/lib/libcuda.so.1"
    assert mapped_file(MAPS, 0, "libnvidia-ml.so") == ""


def test_a_library_s_path_is_read_from_this_process() -> None:
    library = Library("libc.so.6", fallback=False)
    assert library.path("getpid") == library.path("no_such_symbol")
    assert Path(library.path("getpid")).name == "libc.so.6"
    assert library.function("getpid")() == os.getpid()


def test_what_a_library_does_not_export_is_said_by_name() -> None:
    with pytest.raises(UnavailableError, match=r"^libc exports no cuInit$"):
        Library("libc.so.6").function("cuInit")


def test_a_library_that_is_not_there_is_told_in_the_loader_s_words() -> None:
    with pytest.raises(NoLibraryError) as caught:
        Library("libnothing-of-wslgpu.so.1")
    assert str(caught.value).count("libnothing-of-wslgpu.so.1") == 1
    assert "No such file" in str(caught.value)


def kill(_: None) -> int:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's would print where it was
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def hang(_: None) -> int:
    time.sleep(60)
    return 0


def refuse(_: None) -> int:
    raise UnavailableError("there is none")


def works(_: None) -> int:
    return 7


def stepped(*functions: Callable[[None], int], spoilt: Callable[[Any], bool] | None = None) -> list[dict[str, Any]]:
    """Steps under ids of the registry, and how each ended."""
    probe = Probe("standard", "node", ids(), 60.0)
    names = list(cuda.STANDARD[: len(functions)])
    steps = [(names[index], function) for index, function in enumerate(functions)]
    run_steps(probe, steps, lambda: None, timeout_s=0.5, spoilt=spoilt)
    probe.close()
    return [probe.results[name] for name in names]


def test_a_crash_costs_one_observation_and_not_those_before_or_after() -> None:
    found = stepped(works, kill, works, works)
    assert [row["status"] for row in found] == ["observed", "crash", "observed", "observed"]
    assert "SIGSEGV" in found[1]["reason"]


def test_a_hang_costs_one_observation() -> None:
    assert [row["status"] for row in stepped(works, hang, works)] == ["observed", "hang", "observed"]


def test_several_crashes_each_cost_their_own() -> None:
    assert [row["status"] for row in stepped(kill, works, kill, refuse)] == ["crash", "observed", "crash", "unknown"]


def test_a_library_that_kills_every_time_is_not_tried_for_ever() -> None:
    found = stepped(*[kill] * 12)
    assert [row["status"] for row in found].count("crash") < 12
    assert found[-1]["status"] == "unknown"
    assert found[-1]["reason"].startswith("not reached: ")


def test_what_is_unavailable_is_unknown_with_its_reason() -> None:
    found = stepped(refuse, works)
    assert found[0] == {"status": "unknown", "reason": "there is none"}
    assert found[1]["value"] == 7


def test_after_a_step_that_spoils_the_library_the_rest_have_a_fresh_one() -> None:
    processes: list[int] = []

    def once(_: None) -> int:
        processes.append(os.getpid())
        return len(processes)

    found = stepped(once, once, spoilt=lambda _: bool(processes))
    assert [row["value"] for row in found] == [1, 1], "each was the first in its process"


def test_a_python_without_ctypes_says_so_everywhere_and_fails_nowhere() -> None:
    topics = ("cuda", "nvml", "codec", "dxcore", "nccl", "opencl", "bench")
    found = observed(*topics, level="full", blocked="ctypes,_ctypes")
    without = {name for name, row in found.items() if row.get("reason") == "this python3 has no ctypes"}
    needs = ("cuda.", "nvml.", "codec.", "dxcore.", "nccl.", "opencl.", "bench.")
    elsewhere = {"cuda.toolkit", "cuda.checkpoint_tool", "cuda.mps", "nccl.environment", "opencl.vendors"}
    elsewhere |= {"codec.ffmpeg", "codec.ffmpeg_encode", "bench.read_local", "bench.read_windows_drive"}
    assert without == {name for name in ids() if name.startswith(needs)} - elsewhere
