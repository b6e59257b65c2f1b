"""``wslgpu rollback`` before any host is contacted, and what it tells."""

from __future__ import annotations

from click.testing import CliRunner

from wslgpu.apply.result import ApplyResult, HostResult
from wslgpu.apply.text import summary
from wslgpu.cli import cli


def test_an_unknown_artifact_is_2_with_those_that_there_are() -> None:
    done = CliRunner().invoke(cli, ["rollback", "mesa", "local"])
    assert done.exit_code == 2
    assert "ffmpeg, mesa-dozen" in done.output


def test_the_summary_speaks_of_what_was_done() -> None:
    result = ApplyResult((HostResult("node1", "changed", ("Rollback | x",)),), command="rollback")
    assert list(summary(result))[-1].startswith("1 of 1 hosts were rolled back")
    assert result.as_json()["command"] == "rollback"
