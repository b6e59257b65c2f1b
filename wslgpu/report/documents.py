"""The report as files: JSON, JUnit XML and Markdown."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from wslgpu.errors import UsageError
from wslgpu.report.record import Check, Host, Outcome, Record, mark_of
from wslgpu.report.terminal import summary


def as_json(record: Record) -> str:
    """The record as one JSON document."""
    return json.dumps(record.as_json(), indent=2, ensure_ascii=False) + "\n"


def as_junit(record: Record) -> str:
    """JUnit XML: a suite per host, a case per check; a host that was not judged is a case in error."""
    suites = "".join(_junit_suite(host) for host in record.hosts)
    name = f"wslgpu verify [{mark}]" if (mark := mark_of(record)) else "wslgpu verify"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites name={quoteattr(name)}>\n{suites}</testsuites>\n'


def _junit_suite(host: Host) -> str:
    counts = (
        f'tests="{len(host.checks) + bool(host.unknown)}" failures="{host.count(Outcome.FAIL)}"'
        f' errors="{int(bool(host.unknown))}"'
        f' skipped="{len(host.checks) - host.count(Outcome.PASS) - host.count(Outcome.FAIL)}"'
    )
    mark = '    <properties><property name="mark" value="lab, stand-in driver"/></properties>\n' if host.lab else ""
    cases = "".join(_junit_case(check) for check in host.checks)
    if host.unknown:
        cases += (
            f'    <testcase classname="host" name={quoteattr(host.name)}>'
            f"<error message={quoteattr(host.unknown)}/></testcase>\n"
        )
    return f"  <testsuite name={quoteattr(host.name)} {counts}>\n{mark}{cases}  </testsuite>\n"


def _junit_case(check: Check) -> str:
    head = (
        f'    <testcase classname={quoteattr(check.component)} name={quoteattr(check.id)} time="{check.duration_s:.3f}"'
    )
    if check.outcome is Outcome.PASS:
        return f"{head}/>\n"
    if check.outcome is Outcome.FAIL:
        body = escape("\n".join(part for part in (check.evidence, check.remedy and f"-> {check.remedy}") if part))
        return f"{head}><failure message={quoteattr(check.reason)}>{body}</failure></testcase>\n"
    return f"{head}><skipped message={quoteattr(f'{check.outcome.value}: {check.reason}')}/></testcase>\n"


def as_markdown(record: Record) -> str:
    """Markdown for an issue or a run's summary page."""
    lines = ["# wslgpu verify", ""]
    if mark := mark_of(record):
        lines += [f"> **{mark}**: nothing here is true of a real GPU.", ""]
    lines += [summary(record), ""]
    for host in record.hosts:
        lines += [f"## {_cell(host.name)}", ""]
        if host.unknown:
            lines += [f"Not judged: {_cell(host.unknown)}", ""]
        if host.not_deployed:
            lines += [f"Not deployed by its groups: {', '.join(host.not_deployed)}", ""]
        if host.checks:
            lines += ["| check | outcome | reason | remedy |", "|---|---|---|---|"]
            lines += [_row(check) for check in host.checks] + [""]
        lines += [f"- note: {_cell(notice)}" for notice in host.notices]
    return "\n".join(lines).rstrip() + "\n"


def _row(check: Check) -> str:
    remedy = check.remedy if check.outcome is Outcome.FAIL else ""
    cells = (check.id, check.outcome.value, check.reason, remedy)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """Text that can neither end a table cell nor start markup: it may have come from a node."""
    flat = " ".join(text.split())
    return escape(flat).replace("|", "\\|").replace("`", "'").replace("[", "\\[")


WRITERS = {"json": as_json, "junit": as_junit, "markdown": as_markdown}


def require_place(path: Path) -> None:
    """Say before the work, rather than after it, that a report will have no place.

    :raises UsageError: the folder is not there or not writable, or the name is a folder's
    """
    if path.is_dir():
        raise UsageError("is a folder, and a report is a file", str(path), "Name a file in it.")
    if not path.parent.is_dir():
        raise UsageError("there is no such folder", str(path.parent), "Make it, or name another place.")
    if not os.access(path.parent, os.W_OK):
        raise UsageError("the folder cannot be written", str(path.parent), "Name another place.")


def write_file(record: Record, style: str, path: Path) -> None:
    """Write a report of one of :data:`WRITERS`' styles, whole or not at all.

    :raises UsageError: the place cannot be written
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(WRITERS[style](record), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UsageError(
            f"the report cannot be written ({error.strerror})", str(path), "Name another place."
        ) from error
