"""Versions as drivers, packages, kernels and programs write them, compared number by number.

``1.18.1-1``, ``6.6.87.2-microsoft-standard-WSL2``, ``581.80``, ``v0.17.1``, ``5:28.5.1-1~ubuntu``, ``0.11.1rc2``. An
epoch and a leading ``v`` or ``n`` count for nothing; missing parts are 0; what is marked as made before a release
(``~rc.1``, ``-beta2``, ``.dev3``, ``rc2``) comes before it; a package revision counts where both have one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT_LIMIT_CHARACTERS = 200
_VERSION = re.compile(
    r"(?:\d+:)?[vVnN]?(?P<numbers>\d{1,18}(?:\.\d{1,18}){0,7})(?![\d])"
    r"(?:[~.+-]?(?P<stage>alpha|beta|pre|rc|dev(?:el)?|(?<=\d)[ab](?=\d))(?![a-zA-Z])[.~-]?(?P<step>\d{0,18}))?"
)
_REVISION = re.compile(r"-(\d{1,18})(?![\w])")
_STAGES = {"dev": 0, "devel": 0, "alpha": 1, "a": 1, "beta": 2, "b": 2, "pre": 2, "rc": 3}
_RELEASED = (4, 0)


@dataclass(frozen=True)
class Version:
    """A version that can be compared.

    :param numbers: the parts between dots, without zeros at the end
    :param stage: what comes before a release is less than ``(4, 0)``
    :param revision: of the package; -1 when none is told
    """

    numbers: tuple[int, ...]
    stage: tuple[int, int] = _RELEASED
    revision: int = -1


def parse_version(text: str) -> Version | None:
    """Read a version; None when the text does not begin with one."""
    text = text.strip()
    if len(text) > TEXT_LIMIT_CHARACTERS or not text.isascii():
        return None
    found = _VERSION.match(text)
    if found is None:
        return None
    numbers = [int(part) for part in found["numbers"].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    stage = (_STAGES[found["stage"]], int(found["step"] or 0)) if found["stage"] else _RELEASED
    revision = _REVISION.match(text, found.end())
    return Version(tuple(numbers), stage, int(revision[1]) if revision else -1)


def compare_versions(left: Version, right: Version) -> int:
    """-1, 0 or 1 as the left one is older, the same or newer."""
    first: tuple[object, ...] = (left.numbers, left.stage)
    second: tuple[object, ...] = (right.numbers, right.stage)
    if -1 not in (left.revision, right.revision):
        first, second = (*first, left.revision), (*second, right.revision)
    if first == second:
        return 0
    return -1 if first < second else 1


def in_range(version: Version, ranges: str) -> bool | None:
    """Whether a version lies in all of ``>=1.2,<2``; None when a bound is no version."""
    for part in ranges.split(","):
        sign, bound_text = re.match(r"\s*(>=|<|==)?(.*)", part).groups()  # type: ignore[union-attr]
        bound = parse_version(bound_text)
        if bound is None or sign is None:
            return None
        order = compare_versions(version, bound)
        if not {">=": order >= 0, "<": order < 0, "==": order == 0}[sign]:
            return False
    return True


def from_cuda(number: int) -> str:
    """13000 is ``13.0``: thousands and tens, as cuDriverGetVersion tells them."""
    return f"{number // 1000}.{number % 1000 // 10}"


def from_nccl(number: int) -> str:
    """22703 is ``2.27.3``; before 2.9 the numbers had a digit less (nccl.h, NCCL_VERSION)."""
    if number < 10000:
        return f"{number // 1000}.{number % 1000 // 100}.{number % 100}"
    return f"{number // 10000}.{number % 10000 // 100}.{number % 100}"
