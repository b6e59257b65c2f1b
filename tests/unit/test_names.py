"""What somebody most likely meant, for those who mistyped."""

from __future__ import annotations

from wslgpu.names import alike, did_you_mean, nearest

KNOWN = ["cuda.init", "cuda.ipc.legacy", "vllm", "vllm-tensor-parallel"]


def test_nearest_names() -> None:
    assert nearest("vllmm", KNOWN)[0] == "vllm"
    assert nearest("legacy", KNOWN) == ["cuda.ipc.legacy"]
    assert nearest("VLLM", KNOWN)[0] == "vllm"
    assert nearest("quux", KNOWN) == []


def test_spelling_alone() -> None:
    assert alike("legacy", KNOWN) == []
    assert alike("Cuda.Innit", KNOWN, 1) == ["cuda.init"]


def test_a_question_to_ask() -> None:
    assert did_you_mean("quux", KNOWN) == ""
    assert did_you_mean("legacy", KNOWN) == "Did you mean cuda.ipc.legacy? "
    assert did_you_mean("limit", ["limit-1", "limit-2", "limit-3"]).startswith("Did you mean limit-")
    assert did_you_mean("limit", ["limit-1", "limit-2", "limit-3"]).count(" or ") == 1
