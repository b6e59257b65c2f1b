"""An apply's result for people: lines of plain text that fit 80 columns where names allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wslgpu.apply.result import ApplyResult, HostResult

_VERBS = {
    "changed": "changed",
    "unchanged": "nothing to change",
    "failed": "FAILED",
    "unknown": "UNKNOWN (not reached, or lost on the way)",
}

_REACHED = {
    "apply": "are as the data says",
    "rollback": "were rolled back",
    "remove": "are rid of what was to go",
    "clean": "are clean",
}


def summary(result: ApplyResult) -> Iterator[str]:
    """One line per host, then its errors with what to do about them."""
    for host in result.hosts:
        yield f"{host.host}: {_outcome(host, dry=result.dry)}"
        for name in host.changed if result.dry else ():
            yield f"  would change: {name}"
        for note in host.degraded:
            yield f"  degraded: {note.removeprefix('degraded: ')}"
        for error in host.errors:
            yield f"  {error.what}"
            yield f"    at: {error.where}"
            if error.next_step:
                yield f"    do: {error.next_step}"
    if result.error is not None:
        yield f"wslgpu: {result.error}"
    if result.strict and result.exit_code and not replace(result, strict=False).exit_code:
        yield "degraded hosts count as failed (--strict)"
    done = sum(1 for host in result.hosts if host.exit_code == 0)
    reached = _REACHED[result.command]
    yield (
        f"{done} of {len(result.hosts)} hosts {reached} ({result.seconds:.1f} s)"
        if not result.dry
        else (f"{len(result.hosts)} hosts looked at, nothing changed ({result.seconds:.1f} s)")
    )


def _outcome(host: HostResult, *, dry: bool) -> str:
    counts = f"{len(host.changed)} changed, {host.unchanged} already so"
    if dry and host.outcome == "failed":
        return "would be REFUSED"
    if dry and host.outcome in ("changed", "unchanged"):
        return f"would change {len(host.changed)}, {host.unchanged} already so"
    if host.outcome in ("changed", "failed"):
        return f"{_VERBS[host.outcome]} ({counts})"
    return _VERBS[host.outcome]
