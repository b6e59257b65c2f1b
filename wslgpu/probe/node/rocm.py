"""AMD's ROCm: packages, librocdxg, and the distribution's own runtime, which takes the place of the one for WSL."""

from __future__ import annotations

import glob

from . import ldcache
from .base import CommandError, NotSeenError, Probe
from .files import find_program
from .packages import named, packages

_PREFIXES = ("rocm", "hsa-", "libhsa", "rocdxg", "rocminfo")
_DISTRIBUTION = ("libhsa-runtime64-1", "libhsakmt1")


def observe(probe: Probe) -> None:
    probe.look("rocm.packages", lambda: _packages(probe))
    if probe.wants("standard"):
        probe.look("rocm.agents", lambda: _agents(probe))


def _packages(probe: Probe) -> dict[str, object]:
    table = packages(probe)
    libraries = sorted(glob.glob("/opt/rocm*/lib/librocdxg.so*")) + ldcache.cached_like(probe, "librocdxg.so")
    if table is None and not libraries:
        raise NotSeenError("there is no dpkg here")
    return {
        "packages": named(table or {}, _PREFIXES)[:200],
        "librocdxg": libraries[0] if libraries else None,
        "distribution_runtime": named(table or {}, (), _DISTRIBUTION),
    }


def _agents(probe: Probe) -> dict[str, object] | None:
    program = find_program("rocminfo") or next(iter(sorted(glob.glob("/opt/rocm*/bin/rocminfo"))), None)
    if program is None:
        return None
    done = probe.run([program], timeout_s=20.0, env={"HSA_ENABLE_DXG_DETECTION": "1"}, limit=256 << 10)
    if done.hang or done.cut or done.exit < 0:
        raise CommandError(done, "rocminfo")
    return {"exit": done.exit, "gfx": gfx_names(done.out)}


def gfx_names(text: str) -> list[str]:
    """``gfx1100`` of each GPU agent; the names of instruction sets, as amdgcn-amd-amdhsa--gfx1100, are not meant."""
    found: list[str] = []
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "Name" and value.startswith("gfx") and value[3:].isalnum():
            found.append(value[:20])
    return found[:64]
