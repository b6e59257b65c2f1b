"""The report on a terminal: 80 columns, complete without colour."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

from wslgpu.report.record import Check, Host, Outcome, Record, mark_of

_WORDS = {
    Outcome.PASS: ("ok", "green"),
    Outcome.FAIL: ("FAIL", "bold red"),
    Outcome.UNKNOWN: ("unknown", "yellow"),
    Outcome.WAIVED: ("waived", "yellow"),
}


def write(record: Record, console: Console) -> None:
    """What was found per host: a line per component, then what is not green, each with its remedy."""
    if mark := mark_of(record):
        console.print(Text(f"[{mark}] Nothing here is true of a real GPU.", style="bold yellow"), soft_wrap=True)
    for host in record.hosts:
        _host(host, console)
    console.print(Text(summary(record), style="bold red" if record.exit_code else "bold green"), soft_wrap=True)


def summary(record: Record) -> str:
    """The last line: counts over all hosts."""
    if not record.hosts:
        return "No host was verified."
    counts = [(outcome, len(record.checks(outcome))) for outcome in _WORDS]
    words = {
        Outcome.PASS: "ok",
        Outcome.FAIL: "failed",
        Outcome.UNKNOWN: "unknown",
        Outcome.WAIVED: "waived",
    }
    parts = [f"{number} {words[outcome]}" for outcome, number in counts if number] or ["no check ran"]
    hosts = f"{len(record.hosts)} host{'s' if len(record.hosts) > 1 else ''}"
    lost = [host.name for host in record.hosts if host.unknown]
    tail = f"; not judged: {', '.join(lost)}" if lost else ""
    stopped = "; interrupted" if record.interrupted else ""
    return f"Verified {hosts} in {record.duration_s:.1f} s: {', '.join(parts)}{tail}{stopped}."


def _host(host: Host, console: Console) -> None:
    title = host.name + (f" (profile {host.profile})" if host.profile else "")
    console.print(Text(title, style="bold"), soft_wrap=True)
    components = list(dict.fromkeys(check.component for check in host.checks))
    width = max((len(component) for component in components), default=0)
    for component in components:
        checks = [check for check in host.checks if check.component == component]
        console.print(_component_line(component.ljust(width), checks))
    if host.not_deployed:
        _wrapped(console, f"not deployed by its groups: {', '.join(host.not_deployed)}", indent=2)
    for check in host.checks:
        if check.outcome is Outcome.FAIL:
            _failed(check, console)
    for outcome in (Outcome.UNKNOWN, Outcome.WAIVED):
        _by_reason([check for check in host.checks if check.outcome is outcome], console)
    for notice in host.notices:
        _wrapped(console, f"note: {notice}", style="yellow", indent=2)
    if host.unknown:
        _wrapped(console, f"not judged: {host.unknown}", style="bold red", indent=2)


def _wrapped(console: Console, text: str, *, indent: int, style: str = "") -> None:
    """Text under an indent; long words, such as digests and paths, stay whole so that they can be copied."""
    width = min(console.width, 80)
    space = " " * indent
    lines = textwrap.wrap(
        text, width, initial_indent=space, subsequent_indent=space, break_long_words=False, break_on_hyphens=False
    )
    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def _component_line(name: str, checks: list[Check]) -> Text:
    line = Text(f"  {name}  ")
    for outcome, (word, style) in _WORDS.items():
        if number := sum(check.outcome is outcome for check in checks):
            line.append(f"{number} {word}  ", style=style)
    if all(check.outcome is Outcome.NOT_APPLICABLE for check in checks):
        line.append("nothing to check here")
    line.rstrip()
    return line


def _failed(check: Check, console: Console) -> None:
    word, style = _WORDS[check.outcome]
    console.print(Text(f"  {word:8}{check.id}", style=style))
    _wrapped(console, check.reason or check.title, indent=10)
    if check.remedy:
        _wrapped(console, f"-> {check.remedy}", indent=10)


def _by_reason(checks: list[Check], console: Console) -> None:
    """What was not found out, once per reason: one missing GPU leaves many checks unknown."""
    for reason in dict.fromkeys(check.reason for check in checks):
        ids = [check.id for check in checks if check.reason == reason]
        word, style = _WORDS[checks[0].outcome]
        lines = textwrap.wrap(
            ", ".join(ids), 80, initial_indent=f"  {word:8}", subsequent_indent=" " * 10, break_long_words=False
        )
        for line in lines:
            console.print(Text(line, style=style), soft_wrap=True)
        _wrapped(console, reason, indent=10)
