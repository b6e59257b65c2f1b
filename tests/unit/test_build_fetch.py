"""Fetching a pinned file: the cache, the order of origins, hashes, and what is said when nothing can be had."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.source_server import CONTENT, DIGEST, OTHER, Source, Waits, as_row, pin
from wslgpu.build.access import Access
from wslgpu.build.fetch import Meter, cached_place, copy_to, fetch, is_cached
from wslgpu.build.pins import SourcePin
from wslgpu.errors import DataError, ErrorClass, UsageError, WslgpuError
from wslgpu.lab.faults import Fault
from wslgpu.project import PROJECT_ROOT
from wslgpu.site_access import Credentials

pytestmark = [pytest.mark.usefixtures("build_cache"), pytest.mark.timeout(60)]


def get(wanted: SourcePin, *folders: Path, said: list[str] | None = None, access: Access | None = None) -> Path:
    lines = said if said is not None else []
    return fetch(wanted, folders=folders, progress=lines.append, limits=Waits().limits, access=access or Access())


def refused(wanted: SourcePin, *folders: Path, said: list[str] | None = None) -> WslgpuError:
    with pytest.raises(WslgpuError) as caught:
        get(wanted, *folders, said=said)
    return caught.value


def files(folder: Path) -> list[str]:
    """All files but locks."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def test_a_file_comes_into_the_cache_under_its_hash(source: Source, build_cache: Path) -> None:
    wanted = pin(source.put())
    assert not is_cached(wanted)
    file = get(wanted)
    assert file == build_cache / "sources" / "sha256" / DIGEST / "thing-1.0.tar.xz"
    assert file.read_bytes() == CONTENT
    assert file.stat().st_mode & 0o777 == 0o644
    assert files(build_cache) == [str(file.relative_to(build_cache))], "something temporary was left"
    assert is_cached(wanted)


def test_what_is_cached_is_not_asked_for_again(source: Source) -> None:
    wanted = pin(source.put())
    get(wanted)
    asked = len(source.server.asked)
    get(wanted)
    assert asked == len(source.server.asked) == 1


def test_row_19_a_damaged_cached_file_is_dropped_and_fetched_again(source: Source) -> None:
    wanted, said = pin(source.put()), list[str]()
    file = get(wanted)
    content = bytearray(CONTENT)
    content[1000] ^= 1
    file.write_bytes(content)
    assert get(wanted, said=said).read_bytes() == CONTENT
    assert "damaged" in said[0]
    assert len(source.server.asked) == 2


def test_row_17_a_wrong_hash_names_both_and_deletes_nothing_good(source: Source, build_cache: Path) -> None:
    good = get(pin(source.put()))
    error = refused(pin(source.put("other", b"something else"), sha256=OTHER))
    assert error.error_class is ErrorClass.INTEGRITY
    assert error.exit_code == 1
    assert OTHER in str(error)
    assert hashlib.sha256(b"something else").hexdigest() in str(error)
    assert files(build_cache) == [str(good.relative_to(build_cache))]


def test_the_next_address_is_asked_when_one_has_another_file(source: Source) -> None:
    wanted = pin(source.put("bad", b"something else"), f"{source.url}/missing", source.put("good"))
    said: list[str] = []
    assert get(wanted, said=said).read_bytes() == CONTENT
    assert any("/bad" in line and "sha256" in line for line in said)
    assert any("/missing" in line and "404" in line for line in said)


def test_all_origins_are_named_with_their_reasons(source: Source, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    error = refused(pin(f"{source.url}/missing", "http://127.0.0.1:1/x"), tmp_path / "empty", tmp_path / "nowhere")
    text = str(error)
    for words in (
        f"from folder {tmp_path / 'empty'}: has no thing-1.0.tar.xz",
        f"from folder {tmp_path / 'nowhere'}: there is no such folder",
        f"from {source.url}/missing: answered 404",
        "from http://127.0.0.1:1/x: cannot be reached: Connection refused",
        "--from FOLDER",
    ):
        assert words in text
    assert error.error_class is ErrorClass.NETWORK
    assert error.retryable
    assert error.exit_code == 2


def test_a_wrong_file_weighs_more_than_a_dead_network(source: Source) -> None:
    error = refused(pin("http://127.0.0.1:1/x", source.put("bad", b"something else")))
    assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1)


@pytest.mark.parametrize("layout", ["plain", "as in a cache"])
def test_a_folder_is_looked_at_before_the_network(source: Source, tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "stick"
    place = folder if layout == "plain" else folder / "sha256" / DIGEST
    place.mkdir(parents=True)
    (place / "thing-1.0.tar.xz").write_bytes(CONTENT)
    file = get(pin(source.put()), folder)
    assert file.read_bytes() == CONTENT
    assert source.server.asked == []
    assert (place / "thing-1.0.tar.xz").exists()


def test_a_wrong_file_in_a_folder_is_named_and_kept_and_the_network_asked(source: Source, tmp_path: Path) -> None:
    mine = tmp_path / "thing-1.0.tar.xz"
    mine.write_bytes(b"mine")
    said: list[str] = []
    assert get(pin(source.put()), tmp_path, said=said).read_bytes() == CONTENT
    assert mine.read_bytes() == b"mine"
    assert hashlib.sha256(b"mine").hexdigest() in said[0]
    assert DIGEST in said[0]


def test_a_pin_without_a_hash_is_refused_before_anything_is_asked(source: Source, tmp_path: Path) -> None:
    (tmp_path / "thing-1.0.tar.xz").write_bytes(CONTENT)
    error = refused(pin(source.put(), sha256="unresolved"), tmp_path)
    assert isinstance(error, DataError)
    assert error.exit_code == 2
    assert "unresolved" in str(error)
    assert "wslgpu sources row" in error.next_step or "Compare" in error.next_step
    assert source.server.asked == []
    assert not is_cached(pin(sha256="unresolved"))


def test_what_does_not_fit_is_refused_before_anything_is_asked(source: Source) -> None:
    error = refused(pin(source.put(), size_bytes=10**18))
    assert "no room" in str(error)
    assert source.server.asked == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WSLGPU_CACHE_DIR", str(tmp_path / "file"))
    error = refused(pin())
    assert "fetching thing-1.0.tar.xz failed" in str(error)
    assert "WSLGPU_CACHE_DIR" in error.next_step


def test_a_proxy_is_used_with_its_credentials_and_nothing_says_them(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.put()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # the site's word comes before the environment's
    access = Access(source.url, Credentials("anna", "tops3cret"), ("direct.invalid",))
    said: list[str] = []
    get(pin("http://elsewhere.invalid/thing-1.0.tar.xz"), said=said, access=access)
    assert source.server.asked[0]["path"] == "http://elsewhere.invalid/thing-1.0.tar.xz"
    assert source.server.asked[0]["proxy-authorization"].startswith("Basic ")
    source.faults.set("/", Fault(status=404))
    with pytest.raises(WslgpuError) as caught:
        get(pin("http://elsewhere.invalid/thing", sha256=OTHER), said=said, access=access)
    assert "tops3cret" not in f"{caught.value} {said} {access!r}"


def test_hosts_without_a_proxy_are_asked_directly(source: Source) -> None:
    access = Access("http://127.0.0.1:1", None, ("127.0.0.1",))
    assert get(pin(source.put()), access=access).exists()


_OTHER_PROCESS = """
import sys
from wslgpu.build.download import Limits
from wslgpu.build.fetch import fetch
from wslgpu.build.pins import SourcePin
print(fetch(SourcePin.model_validate_json(sys.argv[1]), progress=lambda line: print(line, flush=True)))
"""


def start(wanted: SourcePin) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", _OTHER_PROCESS, as_row(wanted)]
    return subprocess.Popen(words, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_of_two_processes_one_fetches_and_the_other_waits(source: Source) -> None:
    wanted = pin(source.put())
    source.faults.set("/", Fault(bytes_per_s=400_000))
    both = [start(wanted), start(wanted)]
    said = [process.communicate(timeout=30)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert all(str(cached_place(wanted)) in text for text in said)
    assert len(source.server.asked) == 1
    assert sum("waiting for another process" in text for text in said) <= 1


def test_a_fetch_that_was_killed_leaves_no_file_and_the_next_goes_on(source: Source, build_cache: Path) -> None:
    wanted = pin(source.put())
    source.faults.set("/", Fault(bytes_per_s=100_000))
    process = start(wanted)
    partial = build_cache / "sources" / "partial" / f"{DIGEST}.part"
    while not (partial.exists() and partial.stat().st_size):
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert not cached_place(wanted).exists()
    assert 0 < partial.stat().st_size < len(CONTENT)
    source.faults.clear()
    assert get(wanted).read_bytes() == CONTENT
    assert source.ranges[-1].startswith("bytes=")
    assert files(build_cache) == [str(cached_place(wanted).relative_to(build_cache))]


def test_copies_for_a_site_without_a_network(source: Source, tmp_path: Path) -> None:
    wanted = pin(source.put())
    file = get(wanted)
    copy = copy_to(file, wanted, tmp_path / "stick")
    assert copy.read_bytes() == CONTENT
    assert copy_to(file, wanted, tmp_path / "stick") == copy
    copy.write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"another thing-1\.0\.tar\.xz is there"):
        copy_to(file, wanted, tmp_path / "stick")
    assert copy.read_bytes() == b"mine"
    assert files(tmp_path / "stick") == ["thing-1.0.tar.xz"]


def test_progress_comes_once_a_second_at_most() -> None:
    said: list[str] = []
    meter = Meter("thing", 10_000_000, said.append)
    for have in range(0, 2_000_000, 1000):
        meter(have)
    assert said == []
    meter.said_at -= 2
    meter(4_000_000)
    assert said == ["thing: 4.0 MB of 10.0 MB, 2.0 MB a second"]
