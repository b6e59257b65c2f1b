"""What nothing pins any more: on nodes from what they say of themselves, on the controller from its folders."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from wslgpu.debian_root import used
from wslgpu.facts.clutter import Found, parse_clutter
from wslgpu.facts.component_data import DataState, parse_component_data
from wslgpu.manifest.model import Component, Entry, Image, Manifest, Package
from wslgpu.removal import controller
from wslgpu.removal.unneeded import NOTE, note, unneeded, without_images
from wslgpu.settings import load

AT = "2026-01-01T00:00:00Z"
KEPT, LOST, EDITED = "a" * 64, "b" * 64, "c" * 64
DIGEST = "sha256:" + "d" * 64


def manifest(**values: Any) -> Manifest:
    one = Component(**{"state": "applied", "at": AT, "tool_version": "1", "settings": "0" * 64, **values})
    return Manifest(serial=4, tool_version="1", at=AT, by="a@b", components={"base": one})


def test_the_script_is_read_and_odd_lines_are_not() -> None:
    lines = [
        "wslgpu-clutter",
        "archive\t12\t/var/cache/apt/archives/curl_1_amd64.deb",
        f"image\t7\tr:1\t{DIGEST}",
        "archive\tmany\t/x",
        "other\t1\t/x",
        "copy\t1",
        "",
    ]
    assert parse_clutter(lines) == (
        Found("archive", 12, "/var/cache/apt/archives/curl_1_amd64.deb"),
        Found("image", 7, "r:1", DIGEST),
    )
    data = parse_component_data(["wslgpu-data", "running k8s.io/b", "running k8s.io/a", "used /var/lib/containerd"])
    assert data == DataState(("k8s.io/a", "k8s.io/b"), ("/var/lib/containerd",))


@pytest.mark.parametrize(
    ("found", "goes"),
    [
        (Found("archive", 1, "/var/cache/apt/archives/curl_8.14_amd64.deb"), True),
        (Found("archive", 1, "/var/cache/apt/archives/curl-extra_8.14_amd64.deb"), False),
        (Found("copy", 1, KEPT), False),
        (Found("copy", 1, EDITED), False),
        (Found("copy", 1, LOST), True),
        (Found("image", 1, "r:old", DIGEST), True),
        (Found("image", 1, "r:now", DIGEST), False),
        (Found("image", 1, "r:theirs", DIGEST), False),
        (Found("image", 1, "r:old", "sha256:" + "e" * 64), False),
        (Found("version", 1, "/opt/wslgpu/ffmpeg/old"), True),
        (Found("damaged", 1, "/var/lib/wslgpu/manifest.json.damaged-1"), True),
        (Found("temporary", 1, "/etc/.wsl.conf.wslgpu-aaaaaa"), True),
        (Found("bundle", 1, "/var/cache/wslgpu-bundle"), True),
    ],
)
def test_only_what_nothing_needs_goes(found: Found, goes: bool) -> None:
    images = {name: Image(namespace="k8s.io", digest=DIGEST) for name in ("r:old", "r:now")}
    known = manifest(
        packages={"curl": Package(version="8.14")},
        before={"/etc/x": Entry(kind="file", mode="644", owner="root:root", sha256=KEPT)},
        edited={"/etc/x": EDITED},
        images=images,
    )
    assert bool(unneeded([found], known, {"r:now"})) is goes


def test_the_largest_comes_first_and_an_image_of_two_names_counts_once() -> None:
    known = manifest(images={name: Image(namespace="n", digest=DIGEST) for name in ("r:1", "r@d")})
    found = [Found("copy", 2, LOST), Found("image", 9, "r:1", DIGEST), Found("image", 9, "r@d", DIGEST)]
    items = unneeded(found, known, ())
    assert [(item.name, item.size_bytes) for item in items] == [("r:1", 9), (LOST, 2), ("r@d", 0)]
    match = NOTE.match(note(items[0]))
    assert match is not None
    assert match["size"] == "9"
    after = without_images(known, {"r:1"})
    assert (list(after.components["base"].images), after.serial) == (["r@d"], 5)


def test_where_a_manifest_was_lost_no_copy_is_deleted() -> None:
    """It may be the only one of what stood there before, which nothing names any more."""
    found = [Found("copy", 1, LOST), Found("damaged", 1, "/var/lib/wslgpu/manifest.json.damaged-1")]
    assert len(unneeded(found, manifest(), ())) == 2
    assert unneeded(found, manifest().model_copy(update={"unknown_before": True}), ()) == ()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSLGPU_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WSLGPU_STORE_DIR", str(tmp_path / "store"))
    return tmp_path / "cache"


def put(path: Path, size: int = 10, days: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    for each in (path, path.parent):
        os.utime(each, (0, time.time() - days * controller.DAY_S))
    return path


def names(root: Path) -> set[str]:
    return {str(Path(place.name).relative_to(root)) for place in controller.places(load(None))}


def test_a_controller_without_caches_has_nothing(cache: Path) -> None:
    assert names(cache) == set()


def test_what_is_old_and_unnamed_goes_from_the_controller(cache: Path) -> None:
    pinned = next(iter(load(None).build_sources.values())).sha256
    put(cache / "sources" / "sha256" / pinned / "pinned.tar", days=99)
    put(cache / "sources" / "sha256" / ("0" * 64) / "old.tar", days=99)
    put(cache / "sources" / "sha256" / ("1" * 64) / "young.tar", days=1)
    put(cache / "sources" / "partial" / "half", days=2)
    put(cache / "logs" / "old.log", days=31)
    put(cache / "logs" / "young.log", days=29)
    now = int(time.time())
    for made in (now - 100, now - 50):
        put(cache / "build-roots" / f"bookworm-aa.{made}" / "file")
    put(cache / "build-roots" / f"bookworm-bb.{now - 99 * 86400}" / "file")
    put(cache / "build-roots" / f".bookworm-bb.new-{now}" / "file")
    put(cache / "lab" / "roots" / "x", days=99)
    assert names(cache) == {
        f"sources/sha256/{'0' * 64}",
        "sources/partial/half",
        "logs/old.log",
        f"build-roots/bookworm-aa.{now - 100}",
        f"build-roots/bookworm-bb.{now - 99 * 86400}",
    }
    for place in controller.places(load(None)):
        assert place.size_bytes == 10
        place.delete()
    assert names(cache) == set()
    assert (cache / "logs" / "young.log").exists()
    assert (cache / "build-roots" / f"bookworm-aa.{now - 50}" / "file").exists()


def test_a_root_that_a_build_is_in_stays(cache: Path) -> None:
    root = put(cache / "build-roots" / "bookworm-aa.1000000000" / "file").parent
    with used(root):
        assert names(cache) == set()
    assert names(cache) == {"build-roots/bookworm-aa.1000000000"}


def test_links_are_not_followed(cache: Path, tmp_path: Path) -> None:
    precious = put(tmp_path / "precious" / "file", 1000)
    (cache / "logs").mkdir(parents=True)
    link = cache / "logs" / "link.log"
    link.symlink_to(precious.parent)
    os.utime(link, (0, 0), follow_symlinks=False)
    [place] = controller.places(load(None))
    assert place.size_bytes < 1000
    place.delete()
    assert precious.exists()
    assert not link.is_symlink()
