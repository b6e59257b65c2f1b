"""Downloads over HTTP from a server that misbehaves: rows 3, 4, 16, 18 and 59 of the table of faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.source_server import CONTENT, DIGEST, Source, Waits, certificate, pin, serving
from tests.unit.test_build_fetch import files
from wslgpu.build.access import Access
from wslgpu.build.fetch import cached_place, fetch
from wslgpu.build.pins import SourcePin
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.lab.faults import Fault

pytestmark = [pytest.mark.usefixtures("build_cache"), pytest.mark.timeout(60)]


@pytest.fixture
def waits() -> Waits:
    return Waits()


def get(wanted: SourcePin, waits: Waits, access: Access | None = None) -> Path:
    return fetch(wanted, progress=lambda _: None, limits=waits.limits, access=access or Access())


def refused(wanted: SourcePin, waits: Waits, access: Access | None = None) -> WslgpuError:
    with pytest.raises(WslgpuError) as caught:
        get(wanted, waits, access)
    assert not cached_place(wanted).exists()
    return caught.value


def assert_retryable(error: WslgpuError) -> None:
    assert (error.error_class, error.retryable, error.exit_code) == (ErrorClass.NETWORK, True, 2)


def test_row_18_a_truncated_download_goes_on_where_it_broke_off(source: Source, waits: Waits) -> None:
    wanted = pin(source.put())
    source.faults.set("/", Fault(truncate_at=0.5, times=1))
    assert get(wanted, waits).read_bytes() == CONTENT
    assert source.ranges == ["", f"bytes={len(CONTENT) // 2}-"]
    assert waits.asked == [1]


def test_a_server_that_ignores_ranges_is_taken_from_the_start(source: Source, waits: Waits) -> None:
    wanted = pin(source.put())
    source.server.ranges = False
    source.faults.set("/", Fault(truncate_at=0.5, times=2))
    assert get(wanted, waits).read_bytes() == CONTENT
    assert len(source.ranges) == 3


def test_row_18_always_truncated_is_a_network_fault_and_the_next_run_goes_on(
    source: Source, waits: Waits, build_cache: Path
) -> None:
    wanted = pin(source.put())
    source.faults.set("/", Fault(truncate_at=0.1))
    error = refused(wanted, waits)
    assert_retryable(error)
    assert "broke off" in str(error)
    assert files(build_cache) == [f"sources/partial/{DIGEST}.part"]
    source.faults.clear()
    assert get(wanted, waits).read_bytes() == CONTENT
    assert source.ranges[-1] != ""


def test_row_18_a_flipped_byte_is_fetched_once_more_from_the_start(
    source: Source, waits: Waits, build_cache: Path
) -> None:
    wanted = pin(source.put())
    source.faults.set("/", Fault(flip_byte=True, times=1))
    file = get(wanted, waits)
    assert file.read_bytes() == CONTENT
    assert source.ranges == ["", ""]
    assert files(build_cache) == [str(file.relative_to(build_cache))]


def test_row_18_bytes_that_stay_flipped_are_refused_after_one_more_try(
    source: Source, waits: Waits, build_cache: Path
) -> None:
    source.faults.set("/", Fault(flip_byte=True))
    error = refused(pin(source.put()), waits)
    assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1)
    assert not error.retryable
    assert source.ranges == ["", ""]
    assert files(build_cache) == [], "the partial file is of no use"


def test_a_partial_file_of_something_else_ends_in_the_right_one(
    source: Source, waits: Waits, build_cache: Path
) -> None:
    partial = build_cache / "sources" / "partial" / f"{DIGEST}.part"
    partial.parent.mkdir(parents=True)
    for left in (b"x" * 1000, CONTENT + b"more", CONTENT, b"x" * len(CONTENT)):
        partial.write_bytes(left)
        file = get(pin(source.put()), waits)
        assert file.read_bytes() == CONTENT
        file.unlink()


@pytest.mark.parametrize("status", [429, 503])
def test_row_16_retry_after_is_honoured(source: Source, waits: Waits, status: int) -> None:
    source.faults.set("/", Fault(status=status, retry_after=7, times=2))
    assert get(pin(source.put()), waits).read_bytes() == CONTENT
    assert waits.asked == [7, 7]


def test_row_16_without_retry_after_the_waits_grow_and_end(source: Source, waits: Waits) -> None:
    source.faults.set("/", Fault(status=503))
    error = refused(pin(source.put()), waits)
    assert_retryable(error)
    assert "answered 503" in str(error)
    assert waits.asked == [1, 2, 4]
    assert len(source.faults.requests()) == 4


def test_row_16_a_wait_beyond_the_limit_is_named_and_not_waited(source: Source, waits: Waits) -> None:
    source.faults.set("/", Fault(status=429, retry_after=3600))
    error = refused(pin(source.put()), waits)
    assert_retryable(error)
    assert "asks to wait 3600 s" in str(error)
    assert waits.asked == []


def test_row_59_a_trickle_is_ended(source: Source, waits: Waits) -> None:
    source.faults.set("/", Fault(bytes_per_s=100))
    waits.limits = replace(waits.limits, tries=2)
    error = refused(pin(source.put()), waits)
    assert_retryable(error)
    assert "bytes a second" in str(error)


def test_a_server_that_stalls_in_the_middle_is_left(source: Source, waits: Waits) -> None:
    source.faults.set("/", Fault(bytes_per_s=1))
    waits.limits = replace(waits.limits, tries=1, answer_timeout_s=0.2)
    error = refused(pin(source.put()), waits)
    assert_retryable(error)
    assert "timed out" in str(error)


def test_a_server_that_never_answers_is_left(source: Source, waits: Waits) -> None:
    source.faults.set("/", Fault(delay_s=1))
    waits.limits = replace(waits.limits, tries=1, answer_timeout_s=0.2)
    error = refused(pin(source.put()), waits)
    assert_retryable(error)
    assert "timed out" in str(error)


def test_a_dropped_connection_is_tried_again(source: Source, waits: Waits) -> None:
    source.faults.set("/", Fault(drop=True, times=1))
    assert get(pin(source.put()), waits).read_bytes() == CONTENT


def test_redirects_are_followed(source: Source, waits: Waits) -> None:
    source.server.redirects = {"/old": source.put("new")}
    assert get(pin(f"{source.url}/old"), waits).read_bytes() == CONTENT


def test_a_circle_of_redirects_ends(source: Source, waits: Waits) -> None:
    source.server.redirects = {"/a": "/b", "/b": "/a"}
    waits.limits = replace(waits.limits, tries=1)
    assert "a" in str(refused(pin(f"{source.url}/a"), waits))


@pytest.mark.parametrize("path", ["", "/lengthless"], ids=["the server says how many", "it does not"])
def test_more_bytes_than_the_pin_says_are_not_taken(source: Source, waits: Waits, build_cache: Path, path: str) -> None:
    source.put(content=CONTENT * 20)
    error = refused(pin(f"{source.url}{path}/thing-1.0.tar.xz"), waits)
    assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1)
    assert "has at least" in str(error)
    assert (f"has at least {len(CONTENT) * 20:,} bytes" in str(error)) is (path == "")
    assert f"the pin says {len(CONTENT):,}" in str(error)
    left = build_cache / "sources/partial" / f"{DIGEST}.part"
    assert not left.exists() or left.stat().st_size <= len(CONTENT)


def test_a_file_of_a_length_that_nobody_said(source: Source, waits: Waits) -> None:
    source.put()
    assert get(pin(f"{source.url}/lengthless/thing-1.0.tar.xz"), waits).read_bytes() == CONTENT


def test_row_3_no_address_is_called_dns(waits: Waits) -> None:
    error = refused(pin("http://nobody.invalid/thing"), waits)
    assert_retryable(error)
    assert "DNS" in str(error)


def test_row_4_tls_that_nobody_vouches_for_is_refused_and_nothing_else_tried(tmp_path: Path, waits: Waits) -> None:
    with serving(tmp_path / "served", tls=certificate(tmp_path / "tls")) as source:
        error = refused(pin(source.put()), waits)
        assert source.server.asked == []
    assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1)
    assert not error.retryable
    assert "TLS" in str(error)
    assert "certificate verify failed" in str(error)
    assert waits.asked == []


def test_the_sites_authorities_are_trusted_besides_the_machines(tmp_path: Path, waits: Waits) -> None:
    tls = certificate(tmp_path / "tls")
    access = Access(authorities=(tls[0].read_text(),))
    with serving(tmp_path / "served", tls=tls) as source:
        assert get(pin(source.put()), waits, access).read_bytes() == CONTENT
    bundle = Path(access.bundle()).read_text()
    assert bundle.count("BEGIN CERTIFICATE") > 1
    assert tls[0].read_text() in bundle
