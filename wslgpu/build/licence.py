"""Under which licence an artifact may be passed on, and whether it may be at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from wslgpu.build.pins import OptionValue, SourcePin
from wslgpu.build.recipe import Recipe, needed_roles
from wslgpu.errors import ErrorClass, WslgpuError

BUILD_TOOL = "build tool:"
"""How the help of a role begins whose source is no part of the result."""

_PERMISSIVE = frozenset(
    "0BSD BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSL-1.0 HPND ISC MIT MIT-0 SGI-B-2.0 X11 Zlib".split()
)
_LGPL = frozenset({"LGPL-2.0-or-later", "LGPL-2.1-or-later"})
_GPL_2 = frozenset({"GPL-2.0-or-later"})
_VERSION_3 = frozenset({"Apache-2.0", "LGPL-3.0-or-later"})

TAKES: Mapping[str, frozenset[str]] = {
    "MIT": _PERMISSIVE,
    "Apache-2.0": _PERMISSIVE | {"Apache-2.0"},
    "LGPL-2.1-or-later": _PERMISSIVE | _LGPL,
    "LGPL-3.0-or-later": _PERMISSIVE | _LGPL | _VERSION_3,
    "GPL-2.0-or-later": _PERMISSIVE | _LGPL | _GPL_2,
    "GPL-3.0-or-later": _PERMISSIVE | _LGPL | _GPL_2 | _VERSION_3 | {"GPL-3.0-or-later"},
}
"""Licence of a result -> the licences of what may be part of it. Source: the FSF's list of licences and GPL FAQ
(https://www.gnu.org/licenses/license-list.html): Apache-2.0 fits version 3 of the GPL, not version 2."""


def licence_of(recipe: Recipe, options: Mapping[str, OptionValue], sources: Mapping[str, SourcePin]) -> str:
    """The SPDX expression of what a recipe makes with these options.

    :param sources: role -> pin, of the roles that are needed
    :raises WslgpuError: class safety: something that goes into it does not let the result be passed on
    """
    if recipe.licence not in TAKES:
        raise _refused(f"a result under {recipe.licence} is none that wslgpu can judge", recipe, TAKES)
    for role in parts_of(recipe, options):
        pin = sources[role]
        if not fits(pin.licence, TAKES[recipe.licence]):
            raise _refused(
                f"{pin.name} {pin.version} ({role}) is under {pin.licence}, and what it becomes part of would be under"
                f" {recipe.licence}: nobody may pass that on",
                recipe,
                sorted(TAKES[recipe.licence]),
            )
    return recipe.licence


def parts_of(recipe: Recipe, options: Mapping[str, OptionValue]) -> list[str]:
    """The roles whose sources become part of the result: those that are needed, build tools left out."""
    needed = needed_roles(recipe, dict(options))
    return [role for role in needed if not recipe.roles[role].help.startswith(BUILD_TOOL)]


def fits(expression: str, accepted: Iterable[str]) -> bool:
    """Whether an SPDX expression can be met by licences of a list: all of an AND, one of an OR.

    Source: SPDX 2.3, annex D. Brackets are understood; ``WITH`` counts as a licence of its own name.
    """
    words = re.findall(r"[()]|[^\s()]+", expression)
    try:
        value, rest = _either(words, frozenset(accepted))
    except IndexError:
        return False
    return value and not rest


def _either(words: list[str], accepted: frozenset[str]) -> tuple[bool, list[str]]:
    value, words = _both(words, accepted)
    while words and words[0] == "OR":
        other, words = _both(words[1:], accepted)
        value = value or other
    return value, words


def _both(words: list[str], accepted: frozenset[str]) -> tuple[bool, list[str]]:
    value, words = _one(words, accepted)
    while words and words[0] == "AND":
        other, words = _one(words[1:], accepted)
        value = value and other
    return value, words


def _one(words: list[str], accepted: frozenset[str]) -> tuple[bool, list[str]]:
    if words[0] == "(":
        value, words = _either(words[1:], accepted)
        return (value, words[1:]) if words[0] == ")" else (False, words)
    if words[1:2] == ["WITH"]:
        return f"{words[0]} WITH {words[2]}" in accepted, words[3:]
    return words[0] in accepted, words[1:]


def of_ffmpeg(buildconf: Iterable[str]) -> str:
    """The licence that FFmpeg's own configuration gives it; empty where nobody may pass it on.

    Source: FFmpeg's LICENSE.md and the end of its configure.
    """
    words = set(buildconf)
    if "--enable-nonfree" in words:
        return ""
    family = "GPL" if "--enable-gpl" in words else "LGPL"
    version = "3.0" if "--enable-version3" in words else ("2.0" if family == "GPL" else "2.1")
    return f"{family}-{version}-or-later"


def _refused(what: str, recipe: Recipe, known: Iterable[str]) -> WslgpuError:
    step = f"Nothing was built or stored. What would do: {', '.join(known)}."
    return WslgpuError(what, str(recipe.folder / "recipe.yml"), step, ErrorClass.SAFETY)
