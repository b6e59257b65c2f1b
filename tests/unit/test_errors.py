"""Exit codes: one table in the code, and the rules by which hosts and errors add up."""

from __future__ import annotations

import pytest

from wslgpu.errors import ErrorClass, WslgpuError, exit_code_for, worst_exit_code
from wslgpu.node_script import parse_errors


@pytest.mark.parametrize(
    ("error_class", "retryable", "code"),
    [
        (ErrorClass.USAGE, False, 2),
        (ErrorClass.NETWORK, True, 2),
        (ErrorClass.NETWORK, False, 2),
        (ErrorClass.TIMEOUT, True, 2),
        (ErrorClass.TIMEOUT, False, 1),
        (ErrorClass.INTEGRITY, False, 1),
        (ErrorClass.SAFETY, False, 1),
        (ErrorClass.PLATFORM, False, 1),
        (ErrorClass.INTERNAL, False, 1),
    ],
)
def test_exit_code_of_a_class(error_class: ErrorClass, retryable: bool, code: int) -> None:
    assert exit_code_for(error_class, retryable=retryable) == code


@pytest.mark.parametrize(("codes", "worst"), [([], 2), ([0, 0], 0), ([0, 2], 2), ([2, 1], 1), ([1, 0], 1)])
def test_one_comes_before_two_and_nothing_is_two(codes: list[int], worst: int) -> None:
    assert worst_exit_code(codes) == worst


def test_an_error_says_what_where_and_what_next() -> None:
    error = WslgpuError("the disk is full", "node1, Install", "Free space", ErrorClass.PLATFORM)
    assert str(error) == "node1, Install: the disk is full. Free space"
    assert error.as_json() == {
        "class": "platform",
        "what": "the disk is full",
        "where": "node1, Install",
        "next_step": "Free space",
        "retryable": False,
    }


def test_a_scripts_problems_are_read_back() -> None:
    lines = [
        "Reading package lists...",
        "wslgpu [integrity]: the key has another fingerprint -- Compare it.",
        "wslgpu [timeout retryable]: held by root@other",
        "wslgpu [nonsense]: is no class of ours -- x",
    ]
    first, second = parse_errors(lines, "node1")
    assert (first.error_class, first.what, first.next_step) == (
        ErrorClass.INTEGRITY,
        "the key has another fingerprint",
        "Compare it.",
    )
    assert second.retryable
    assert second.exit_code == 2
    assert parse_errors(["it died"], "node1") == []
