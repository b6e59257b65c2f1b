"""What an apply did, per host, as values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wslgpu import __version__
from wslgpu.errors import (
    EXIT_CANNOT_JUDGE,
    EXIT_FAILED,
    EXIT_OK,
    ErrorClass,
    UnreachableError,
    UsageError,
    WslgpuError,
    worst_exit_code,
)
from wslgpu.node_script import parse_errors

Outcome = Literal["changed", "unchanged", "failed", "unknown"]


@dataclass(frozen=True)
class HostResult:
    """One host.

    :param outcome: ``unknown`` when the host could not be reached, or was lost on the way
    :param changed: names of the operations that changed something, in order
    :param unchanged: how many found everything in place
    :param errors: what went wrong, in order
    :param notes: what operations had to tell that is no change and no failure
    :param degraded: what makes the host work less well than it should, such as a failed unit
    """

    host: str
    outcome: Outcome
    changed: tuple[str, ...] = ()
    unchanged: int = 0
    errors: tuple[WslgpuError, ...] = ()
    notes: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or the worst of this host's errors."""
        return worst_exit_code([error.exit_code for error in self.errors]) if self.errors else EXIT_OK

    def as_json(self) -> dict[str, Any]:
        """The host's part of the JSON document."""
        return {
            "outcome": self.outcome,
            "changed": list(self.changed),
            "unchanged": self.unchanged,
            "notes": list(self.notes),
            "degraded": list(self.degraded),
            "errors": [error.as_json() for error in self.errors],
        }


@dataclass(frozen=True)
class ApplyResult:
    """All hosts of one apply.

    :param error: what ended the run before or beside the hosts, such as wrong data
    :param dry: only what would change was worked out
    :param command: what was called: apply or rollback
    """

    hosts: tuple[HostResult, ...]
    error: WslgpuError | None = None
    dry: bool = False
    seconds: float = field(default=0.0, compare=False)
    strict: bool = False
    command: str = "apply"

    @property
    def exit_code(self) -> int:
        """The worst host wins; no host at all is 2; a degraded host is 1 when that was asked for (``strict``)."""
        codes = [host.exit_code for host in self.hosts]
        if self.strict and any(host.degraded for host in self.hosts):
            codes.append(EXIT_FAILED)
        if self.error is not None:
            codes.append(self.error.exit_code)
        return worst_exit_code(codes) if codes else EXIT_CANNOT_JUDGE

    def as_json(self) -> dict[str, Any]:
        """The JSON document of ``--json``; ``schema`` changes when its shape does."""
        return {
            "schema": 1,
            "tool": f"wslgpu {__version__}",
            "command": self.command,
            "dry": self.dry,
            "seconds": round(self.seconds, 1),
            "hosts": {host.host: host.as_json() for host in self.hosts},
            "error": self.error.as_json() if self.error else None,
            "exit_code": self.exit_code,
        }


def host_result(name: str, record: dict[str, Any]) -> HostResult:
    """A host's result from what the child wrote down.

    :param record: ``connected``, ``lost`` (where the connection went away, or empty), ``sudo_asks`` (for a password),
        ``operations``: list of ``name``, ``changed`` (bool), ``failed`` (bool), ``output`` (list of lines); ``notes``;
        ``refusals`` of a run that only worked out what would change, as node scripts print problems
    """
    result = _outcome(name, record)
    return replace(result, notes=tuple(record.get("notes", ())), degraded=tuple(record.get("degraded", ())))


def _outcome(name: str, record: dict[str, Any]) -> HostResult:
    operations = record["operations"]
    changed = tuple(op["name"] for op in operations if op["changed"] and not op["failed"])
    unchanged = sum(1 for op in operations if not op["changed"] and not op["failed"])
    failed = next((op for op in operations if op["failed"]), None)
    if not record["connected"]:
        error = UnreachableError(
            "no connection" + (f" ({record['reason']})" if record.get("reason") else ""),
            name,
            "Check the address, that sshd runs there, and that its host key stands in known_hosts.",
        )
        return HostResult(name, "unknown", errors=(error,))
    if record["lost"]:
        error = UnreachableError(
            f"the connection was lost at: {record['lost']}", name, "Run it again: it takes up where it stopped."
        )
        return HostResult(name, "unknown", changed, unchanged, (error,))
    if refusals := record.get("refusals"):
        return HostResult(name, "failed", errors=tuple(parse_errors(refusals, f"{name}, preflight")))
    if failed is None and not record["failed"]:
        return HostResult(name, "changed" if changed else "unchanged", changed, unchanged)
    where = f"{name}, {failed['name']}" if failed else name
    if record.get("sudo_asks"):
        asks = UsageError(
            "sudo asks for a password there, and a run over ssh cannot give one",
            where,
            "Allow this user sudo without a password, or connect as root.",
        )
        return HostResult(name, "failed", changed, unchanged, (asks,))
    output = failed["output"] if failed else record.get("log", [])
    errors = parse_errors(output, where)
    if not errors:
        said = next((line.strip() for line in reversed(output) if line.strip()), "no output")
        errors = [WslgpuError(said, where, "Run it again with -v to see the commands.", ErrorClass.PLATFORM)]
    return HostResult(name, "failed", changed, unchanged, tuple(errors))
