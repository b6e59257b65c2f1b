"""The terminal's report: complete at 80 columns without colour, and readable at 40."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Literal

import pytest
from rich.console import Console

from tests.unit import capability_samples as samples
from wslgpu.catalogue.model import Platform
from wslgpu.report.capabilities import write_terminal
from wslgpu.verdict.model import Judgement, NodeJudgement, State, Verdict, WorkloadJudgement, WorkloadReason


def shown(judgement: Judgement, *, width: int = 80, verbose: bool = False, colour: bool = False) -> str:
    stream = io.StringIO()
    system: Literal["standard"] | None = "standard" if colour else None
    console = Console(file=stream, width=width, no_color=not colour, force_terminal=colour, color_system=system)
    write_terminal(judgement, console, verbose)
    return stream.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


MIXED = samples.judgement()
TEXT = shown(MIXED)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("verbose", [False, True])
def test_lines_fit_and_no_word_is_torn(width: int, verbose: bool) -> None:
    lines = shown(MIXED, width=width, verbose=verbose).splitlines()
    too_long = [line for line in lines if len(line) > min(width, 80)]
    assert [line for line in too_long if len(line.split()) > 1] == []
    assert any(samples.DIGEST in line for line in lines)
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [40, 80])
def test_nothing_is_lost_on_a_narrow_screen(width: int) -> None:
    for wanted in (
        "[lab, stand-in driver] Nothing here is true of a real GPU.",
        "gpu-01.example [lab, stand-in driver]",
        "WSL2, gpu NVIDIA <script>alert(1)</script> RTX 4070, driver 581.80, wsl 2.6.1, toolkit 1.18.0",
        "level quick",
        "broken here The NVIDIA driver loads (cuda.driver.loads: libcuda.so.1 is not there); blocks 40 more",
        "ldconfig -p | grep libcuda: null",
        "-> Install the NVIDIA driver on Windows, then run `wsl --shutdown`.",
        "GO llama.cpp with CUDA",
        "DEGRADED vLLM on one GPU: sleep mode is not to be had (cuda.ipc.legacy: WSL2 cannot)",
        "NO-GO FFmpeg transcode in a container: FFmpeg finds no encoder (container.cdi.codec_libraries: broken here)",
        "UNKNOWN Checkpoint with CRIUgpu: not tested: ",
        "1 other workload does not apply here",
        "2 WSL2 cannot, 2 broken here, 2 blocked, 5 not tested",
        "not tested needs --level standard: 4",
        "not tested vulkaninfo is not installed: 1 (vulkan.devices)",
        "(waiver ran out 2026-11-01: the image has none, Ada Example)",
        "fails the waiver of wsl.swap ran out on 2026-11-01 -> Renew it.",
        "not probed ssh: no route to host",
        "fails two nodes have one machine-id (gpu-01.example, no-gpu)",
        "note the clocks differ by 3 s",
        "Something that is required cannot run (3 nodes; required workloads: 4 NO-GO, 1 DEGRADED, 1 GO; 1 could not be",
    ):
        assert wanted in flat(shown(MIXED, width=width))


def test_one_missing_driver_is_one_line() -> None:
    assert flat(TEXT).count("libcuda.so.1 is not there") == 1
    assert "cuda.thing.number" not in TEXT


def test_a_workload_does_not_say_again_why_its_cause_is_broken() -> None:
    node = samples.without_gpu()
    cause = node.causes[0]
    reason = WorkloadReason(cause.id, cause.state, f"{cause.reason}; needed for: this, that")
    work = WorkloadJudgement("w", "Work", Verdict.NO_GO, True, (reason,))
    text = shown(samples.judgement(replace(node, workloads=(work,)), findings=()))
    assert f"NO-GO      Work: broken here: {cause.title} (cuda.driver.loads)\n" in text
    assert flat(text).count(cause.reason) == 1


def test_a_workload_says_what_is_missing_in_words_before_what_was_seen() -> None:
    lacking = samples.capability("codec.ffmpeg", State.RECORDED, reason="codec.tool path is not there")
    blocked = samples.capability("codec.nvenc", State.BLOCKED, cause="codec.ffmpeg", remedy="Use another codec.")
    reasons = (
        WorkloadReason(lacking.id, lacking.state, f"{lacking.reason}; needed for: more", "Install it."),
        WorkloadReason("nvml.memory", State.CANNOT, "memory is not told", "Look elsewhere."),
    )
    work = WorkloadJudgement("w", "Work", Verdict.NO_GO, True, reasons)
    node = NodeJudgement("n", Platform.WSL2, capabilities=(lacking, blocked), workloads=(work,))
    text = flat(shown(samples.judgement(node)))
    assert f"NO-GO Work: missing here: {lacking.title} (codec.ffmpeg: codec.tool path is not there)" in text
    assert "-> Install it." in text
    assert "-> Look elsewhere." in text
    optional = replace(node, workloads=(replace(work, required=False),))
    assert "; and 1 more" in flat(shown(samples.judgement(optional)))
    assert blocked.remedy not in flat(shown(samples.judgement(node), verbose=True))


def test_verbose_shows_every_capability_with_its_evidence() -> None:
    text = flat(shown(MIXED, verbose=True))
    for node in MIXED.nodes:
        for item in node.capabilities:
            assert f"{item.id}: " in text
    assert "cuda.managed.concurrent: WSL2 cannot" in text
    assert "cuda.managed.touch_concurrent: crash: SIGSEGV" in text


def test_colour_adds_no_word() -> None:
    coloured = shown(MIXED, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == TEXT


def test_no_escape_and_no_markup_of_a_node_is_obeyed() -> None:
    assert "\x1b" not in TEXT
    assert "\u202e" not in TEXT
    cause = samples.capability("a.b", State.BROKEN, reason="[red]x[/red] [/]")
    node = type(samples.healthy())("n", capabilities=(cause,))
    assert "[red]x[/red] [/]" in shown(samples.judgement(node))


def test_a_real_node_has_no_mark() -> None:
    assert "lab" not in shown(samples.all_go())
    assert "All that is required can run (1 node; required workloads: 1 GO)." in shown(samples.all_go())


def test_workloads_that_one_capability_decides_are_told_together() -> None:
    node = samples.without_gpu()
    cause = node.causes[0]
    reason = WorkloadReason(cause.id, cause.state, f"{cause.reason}; needed for: this")
    works = tuple(WorkloadJudgement(f"w{n}", f"Work {n}", Verdict.NO_GO, reasons=(reason,)) for n in range(3))
    text = flat(shown(samples.judgement(replace(node, workloads=works), findings=())))
    assert "NO-GO broken here: The NVIDIA driver loads (cuda.driver.loads): Work 0, Work 1, Work 2" in text
    # two are told each, and so are all where everything was asked for
    two = flat(shown(samples.judgement(replace(node, workloads=works[:2]), findings=())))
    everything = flat(shown(samples.judgement(replace(node, workloads=works), findings=()), verbose=True))
    for told in (two, everything):
        assert "NO-GO Work 0: broken here: The NVIDIA driver loads (cuda.driver.loads) NO-GO Work 1: broken" in told
