"""Benchmarks of several nodes side by side: they are compared with each other and with nothing else."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

from wslgpu.probe.registry import observation_kinds
from wslgpu.report.capabilities.text import line
from wslgpu.verdict.model import Judgement

_SCALES: dict[str, tuple[float, str, bool]] = {
    "bytes_per_s": (1e9, "GB/s", True),
    "granted_bytes": (float(1 << 30), "GiB", True),
    "median_us": (1.0, "µs", False),
}
"""The number that counts in a benchmark's value: divisor, unit, and whether more is better."""


@dataclass(frozen=True)
class Bar:
    """One node's number.

    :param share: of the largest number among the peers, 0 to 100
    :param against: its distance from the peers' median, e.g. ``-12 %``; empty without peers
    """

    node: str
    text: str
    share: float
    against: str


@dataclass(frozen=True)
class Benchmark:
    """One benchmark over all nodes that ran it.

    :param median: share of the median, 0 to 100; None without peers
    """

    id: str
    title: str
    better: str
    bars: tuple[Bar, ...]
    median: float | None
    median_text: str


def benchmarks(judgement: Judgement) -> list[Benchmark]:
    """Every benchmark that any node ran and whose value has a number that is understood."""
    found: dict[str, dict[str, Any]] = {}
    for node in judgement.nodes:
        for name, value in node.benchmarks.items():
            found.setdefault(name, {})[node.name] = value
    made = (_benchmark(name, values) for name, values in sorted(found.items()))
    return [benchmark for benchmark in made if benchmark is not None]


def number_of(value: Any) -> tuple[str, float] | None:
    """The key and the number that count in a value; None when there is none, or it is no amount."""
    for key in _SCALES:
        number = value.get(key) if isinstance(value, dict) else None
        if isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number) and number >= 0:
            return key, float(number)
    return None


def _benchmark(name: str, values: dict[str, Any]) -> Benchmark | None:
    numbers = {node: found for node, value in values.items() if (found := number_of(value)) is not None}
    if not numbers:
        return None
    key = next(iter(numbers.values()))[0]
    same = {node: number for node, (its_key, number) in numbers.items() if its_key == key}
    divisor, unit, more = _SCALES[key]
    largest = max(same.values()) or 1.0
    median = statistics.median(same.values()) if len(same) > 1 else None
    kind = observation_kinds().get(name)
    return Benchmark(
        id=line(name),
        title=kind.what[:1].upper() + kind.what[1:] if kind else line(name),
        better="more is better" if more else "less is better",
        bars=tuple(
            Bar(
                line(node), f"{number / divisor:.1f} {unit}", round(100 * number / largest, 1), _against(number, median)
            )
            for node, number in same.items()
        ),
        median=None if median is None else round(100 * median / largest, 1),
        median_text="" if median is None else f"{median / divisor:.1f} {unit}",
    )


def _against(number: float, median: float | None) -> str:
    if not median:
        return ""
    percent = round(100 * (number / median - 1))
    return f"{percent:+d} %" if percent else "as the median"
