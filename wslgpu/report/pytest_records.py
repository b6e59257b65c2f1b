"""A pytest plugin that writes one JSON line per check, for the process that started pytest.

Loaded with ``-p wslgpu.report.pytest_records --wslgpu-records FILE``. Lines are ``{"event": ...}`` objects:

- ``collected``: how many checks there are, and the components that the host's groups do not give it
- ``check``: a :class:`wslgpu.report.record.Check`
- ``lost``: the connection broke; nothing follows
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import IO, Any

import pytest

from wslgpu.report.plain import clean, first_line
from wslgpu.report.record import Check, Outcome

NOT_APPLICABLE = "not applicable: "
"""A skip with this in front found nothing to check, rather than being unable to check it."""

_seconds = pytest.StashKey[float]()
"""What a check took so far, its fixtures included."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--wslgpu-records", metavar="FILE", help="write one JSON line per check to FILE")


def pytest_configure(config: pytest.Config) -> None:
    if path := config.getoption("--wslgpu-records"):
        # line buffered: whoever reads the other end follows the run
        stream = open(path, "w", encoding="utf-8", buffering=1)  # noqa: SIM115, PTH123 - closed in pytest_unconfigure
        config.pluginmanager.register(_Recorder(stream), "wslgpu-recorder")


def pytest_unconfigure(config: pytest.Config) -> None:
    recorder = config.pluginmanager.get_plugin("wslgpu-recorder")
    if recorder is not None:
        recorder.stream.close()


def identity(item: pytest.Item) -> tuple[str, str]:
    """A test's check id and remedy; the node id stands in for a test that names none."""
    marker = item.get_closest_marker("check")
    if marker is None:
        return item.nodeid, ""
    params = getattr(getattr(item, "callspec", None), "params", {})
    values = {key: value for key, value in params.items() if isinstance(value, str)}
    return str(marker.args[0]).format(**values), str(marker.kwargs.get("remedy", ""))


def component_of(item: pytest.Item) -> str:
    """The component that a check is of: what its id begins with."""
    return identity(item)[0].split(".", 1)[0]


class _Recorder:
    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self._not_deployed: dict[str, None] = {}

    def _write(self, event: str, **values: Any) -> None:
        self.stream.write(json.dumps({"event": event, **values}) + "\n")

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        for item in items:
            if ("not_deployed", True) in item.user_properties:
                self._not_deployed[component_of(item)] = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._write("collected", number=len(session.items), not_deployed=list(self._not_deployed))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        item.stash[_seconds] = item.stash.get(_seconds, 0.0) + call.duration
        if call.excinfo is not None and _is_lost(call.excinfo.value):
            self._write("lost", reason=clean(str(call.excinfo.value), 300))
            item.session.shouldstop = "the connection was lost"
        elif call.when == "call" or report.outcome != "passed":
            self._write("check", **_check(item, call, report).as_json())
        return report


def _is_lost(error: BaseException) -> bool:
    # testinfra raises RuntimeError(CommandResult) when ssh ends with 255
    return isinstance(error, RuntimeError) and bool(error.args) and getattr(error.args[0], "exit_status", None) == 255


def _check(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> Check:
    check_id, remedy = identity(item)
    outcome, reason, evidence = Outcome.PASS, "", ""
    if hasattr(report, "wasxfail"):
        outcome, reason = (Outcome.WAIVED if report.skipped else Outcome.PASS), str(report.wasxfail)
    elif report.skipped:
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        outcome = Outcome.NOT_APPLICABLE if reason.startswith(NOT_APPLICABLE) else Outcome.UNKNOWN
        reason = reason.removeprefix(NOT_APPLICABLE)
    elif report.failed:
        outcome = Outcome.FAIL
        reason, evidence = _failure(call)
    notices = tuple(clean(str(value), 300) for name, value in item.user_properties if name == "notice")
    function = getattr(item, "function", None)
    return Check(
        id=check_id,
        component=component_of(item),
        host="",
        outcome=outcome,
        title=first_line(getattr(function, "__doc__", None) or ""),
        reason=clean(reason, 500),
        remedy=remedy,
        evidence=clean(evidence),
        duration_s=item.stash[_seconds],
        notices=notices,
    )


def _failure(call: pytest.CallInfo[None]) -> tuple[str, str]:
    """Why a check is red, in one line, and what the node said."""
    if call.excinfo is None:
        return "no reason was recorded", ""
    error = call.excinfo.value
    text = str(error)
    if isinstance(error, AssertionError):
        reason, _, rest = text.partition("\n")
        return reason.removeprefix("AssertionError: ") or "the assertion does not hold", rest
    kind = "" if isinstance(error, pytest.fail.Exception) else f"could not be checked: {type(error).__name__}: "
    return f"{kind}{first_line(text)}", text
