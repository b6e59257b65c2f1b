"""Versions are compared number by number."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wslgpu.verdict.versions import Version, compare_versions, from_cuda, from_nccl, in_range, parse_version


def version(text: str) -> Version:
    found = parse_version(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(
    "rising",
    [
        ["1.9", "1.10", "1.18.1", "1.18.2", "1.20.0"],
        [
            "1.20.0-dev",
            "1.20.0~alpha.1",
            "1.20.0-beta.2",
            "1.20.0~rc.1",
            "1.20.0-rc.2",
            "1.20.0rc10",
            "1.20.0",
            "1.20.0.1",
        ],
        ["546.33", "560.28.03", "560.76", "581.80"],
        ["5.15.153.1-microsoft-standard-WSL2", "6.6.87.2-microsoft-standard-WSL2", "6.18.26.1"],
        ["v0.17.1", "v0.19.0", "0.19.1"],
        ["2.4.13", "2.6.3.0", "2.9.5"],
        ["1.18.1-1", "1.18.1-2", "1.18.2-1"],
        ["0.11.1.dev5+gabc", "0.11.1rc2", "0.11.1", "0.11.1.1"],
        ["5:28.5.1-1~ubuntu.24.04~noble", "29.0.0"],
        ["7:6.1.1-3ubuntu5", "n8.1-12-g0123abc", "9"],
        ["26.2.0-devel", "26.2.0", "26.2.1~kisak1~n"],
    ],
)
def test_versions_rise(rising: list[str]) -> None:
    for older, newer in itertools.combinations(rising, 2):
        assert compare_versions(version(older), version(newer)) == -1, (older, newer)
        assert compare_versions(version(newer), version(older)) == 1, (older, newer)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("13.0", "13.0.0"),
        ("v0.17.1", "0.17.1"),
        ("1.18.1-1", "1.18.1"),
        ("6.6.87.2-microsoft-standard-WSL2", "6.6.87.2"),
        ("2.9.1+cu130", "2.9.1"),
        ("v1.35.2+k3s1", "1.35.2"),
        ("1.18.1-bookworm", "1.18.1"),
        ("1:2.0", "2.0"),
        ("25.2.8-0ubuntu0.24.04.1", "25.2.8"),
    ],
)
def test_versions_are_the_same(left: str, right: str) -> None:
    assert compare_versions(version(left), version(right)) == 0


@pytest.mark.parametrize("text", ["", "ERR!", "N-117000-gabc", "unknown", "latest", "-1", "٣.١", "1" * 300, "[1.2]"])
def test_what_begins_with_no_version_is_none(text: str) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("text", "ranges", "fits"),
    [
        ("1.18.1-1", "<1.20", True),
        ("1.20.0", "<1.20", False),
        ("1.20.0~rc.1", "<1.20", True),
        ("581.80", ">=580,<590", True),
        ("595.10", ">=580, <590", False),
        ("2.6.3.0", "==2.6.3", True),
        ("2.6.3", ">=x", None),
        ("2.6.3", "2.6", None),
    ],
)
def test_ranges(text: str, ranges: str, fits: bool | None) -> None:
    assert in_range(version(text), ranges) is fits


def test_numbers_of_cuda_and_nccl() -> None:
    assert [from_cuda(number) for number in (13000, 12040, 11080)] == ["13.0", "12.4", "11.8"]
    assert [from_nccl(number) for number in (22703, 21805, 2708)] == ["2.27.3", "2.18.5", "2.7.8"]


@given(st.text(max_size=300))
def test_any_text_is_a_version_or_none(text: str) -> None:
    found = parse_version(text)
    assert found is None or compare_versions(found, found) == 0


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5), st.lists(st.integers(0, 10**6), min_size=1, max_size=5))
def test_the_order_is_that_of_the_numbers(left: list[int], right: list[int]) -> None:
    texts = [".".join(map(str, numbers)) for numbers in (left, right)]
    length = max(len(left), len(right))
    padded = [numbers + [0] * (length - len(numbers)) for numbers in (left, right)]
    expected = (padded[0] > padded[1]) - (padded[0] < padded[1])
    assert compare_versions(version(texts[0]), version(texts[1])) == expected
