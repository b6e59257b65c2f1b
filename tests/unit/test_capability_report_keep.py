"""Reports that are kept: private, whole, sorted by time, and no more than asked for."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.unit import capability_samples as samples
from wslgpu.errors import UsageError, WslgpuError
from wslgpu.report.capabilities import (
    WRITERS,
    as_json,
    keep_report,
    kept_reports,
    previous_report,
    read_report,
    write_file,
)


def at(hour: int) -> str:
    return f"2026-11-21T{hour:02}:00:00+02:00"


def test_a_report_is_named_by_its_time_in_utc_and_its_digest(tmp_path: Path) -> None:
    path = keep_report(samples.judgement(started=at(9)), tmp_path / "new" / "folder")
    assert path.name.startswith("20261121T070000Z-")
    assert len(path.name) == len("20261121T070000Z-01234567.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert as_json(read_report(path)) == as_json(samples.judgement(started=at(9)))


def test_the_one_before_is_found(tmp_path: Path) -> None:
    first = keep_report(samples.judgement(started=at(9)), tmp_path)
    assert previous_report(tmp_path, first) is None
    second = keep_report(samples.all_go(), tmp_path)
    third = keep_report(samples.judgement(started=at(14)), tmp_path)
    assert kept_reports(tmp_path) == [first, second, third]
    found = previous_report(tmp_path, third)
    assert found is not None
    assert found[0] == second
    assert found[1].nodes[0].name == "good"


def test_only_so_many_are_retained_and_nothing_else_is_touched(tmp_path: Path) -> None:
    other = tmp_path / "notes.json"
    other.write_text("mine")
    made = [keep_report(samples.judgement(started=at(hour)), tmp_path, retain=2) for hour in range(5)]
    assert kept_reports(tmp_path) == made[-2:]
    assert other.read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(
        [other.name, *(path.name for path in made[-2:])]
    )


def test_a_report_of_the_past_is_kept_even_where_it_is_the_oldest(tmp_path: Path) -> None:
    keep_report(samples.judgement(started=at(9)), tmp_path)
    old = keep_report(samples.judgement(started=at(3)), tmp_path, retain=1)
    assert old.exists()


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    path = keep_report(samples.judgement(), tmp_path)
    path.unlink()
    target = tmp_path / "target"
    target.write_text("precious")
    path.symlink_to(target)
    assert keep_report(samples.judgement(), tmp_path) == path
    assert not path.is_symlink()
    assert target.read_text() == "precious"


def test_a_judgement_without_a_time_is_kept_too(tmp_path: Path) -> None:
    assert kept_reports(tmp_path) == []
    assert keep_report(samples.judgement(started="yesterday"), tmp_path) in kept_reports(tmp_path)


def test_garbage_among_them_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "20200101T000000Z-00000000.json"
    bad.write_text("{}")
    new = keep_report(samples.judgement(), tmp_path)
    with pytest.raises(WslgpuError, match=bad.name):
        previous_report(tmp_path, new)


def test_wrong_places_and_numbers_are_usage_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be kept"):
        keep_report(samples.judgement(), tmp_path / "file")
    with pytest.raises(UsageError, match="at least 1"):
        keep_report(samples.judgement(), tmp_path, retain=0)
    with pytest.raises(UsageError, match="cannot be read"):
        kept_reports(tmp_path / "none")
    with pytest.raises(UsageError, match="cannot be read"):
        read_report(tmp_path / "none")


@pytest.mark.parametrize("style", sorted(WRITERS))
def test_files_hold_what_the_writer_gives(tmp_path: Path, style: str) -> None:
    target = tmp_path / "report"
    target.write_text("old")
    write_file(samples.judgement(), style, target)
    assert target.read_text(encoding="utf-8") == WRITERS[style](samples.judgement())
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_file(samples.judgement(), "html", tmp_path / "none" / "report.html")
