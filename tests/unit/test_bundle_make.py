"""Making bundles from a server that has what the lock names, or has not, or not now."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit import lock_samples
from tests.unit.bundle_samples import DEB, ImageContent, bundle_of, lock, package, serve, sha256, written
from tests.unit.source_server import Source, serving
from wslgpu.bundle.archive import Bundle
from wslgpu.errors import UsageError, WslgpuError
from wslgpu.lab.faults import Fault
from wslgpu.lock.model import LOCK_NAME, Lock
from wslgpu.settings import PROJECT_ROOT, Mirror, Settings, load

THING = "/pool/t/thing_1.0_amd64.deb"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    with serving(tmp_path / "server") as made:
        serve(made)
        yield made


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_everything_that_the_lock_names(source: Source, tmp_path: Path) -> None:
    made = bundle_of(tmp_path, lock(source.url))
    bundle = Bundle(tmp_path / "bundle.tar")
    bundle.verify()
    assert bundle.read("packages/debian-13/thing_1.0_amd64.deb") == DEB
    assert bundle.read("packages/debian-13/libthing_1.0_amd64.deb") == DEB + b"lib"
    assert bundle.read(f"downloads/{sha256(b'key')[:16]}-gpgkey") == b"key"
    assert bundle.read(LOCK_NAME) == (tmp_path / LOCK_NAME).read_bytes()
    assert not [path for path in bundle.members if "base-files" in path]
    assert bundle.index.lock == f"sha256:{sha256((tmp_path / LOCK_NAME).read_bytes())}"
    assert made.sha256 == sha256((tmp_path / "bundle.tar").read_bytes())
    assert set(bundle.index.left_out) == {"project", "sources", "wheels"}
    assert leftovers(tmp_path) == []


def test_the_same_lock_makes_the_same_bytes(source: Source, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(bundle_of(tmp_path / name, lock(source.url)).sha256)
    assert made[0] == made[1]


def test_what_an_older_bundle_has_is_not_fetched_again(source: Source, tmp_path: Path) -> None:
    first = bundle_of(tmp_path, lock(source.url))
    before = len(source.ranges)
    assert bundle_of(tmp_path, lock(source.url)).sha256 == first.sha256
    assert len(source.ranges) == before


def test_a_damaged_older_bundle_is_no_source(source: Source, tmp_path: Path) -> None:
    first = bundle_of(tmp_path, lock(source.url))
    path = tmp_path / "bundle.tar"
    content = bytearray(path.read_bytes())
    content[Bundle(path).places["packages/debian-13/thing_1.0_amd64.deb"].offset + 5] ^= 1
    path.write_bytes(content)
    assert bundle_of(tmp_path, lock(source.url)).sha256 == first.sha256
    Bundle(path).verify()


def test_a_transfer_that_broke_off_is_gone_on_with(source: Source, tmp_path: Path) -> None:
    source.faults.set(THING, Fault(truncate_at=0.5, times=1))
    bundle_of(tmp_path, lock(source.url))
    assert any(ranges.startswith("bytes=") for ranges in source.ranges)
    Bundle(tmp_path / "bundle.tar").verify()


def test_a_cut_run_is_gone_on_with(source: Source, tmp_path: Path) -> None:
    source.faults.set(THING, Fault(status=404))
    (source.folder / "snapshot/pool/t/thing_1.0_amd64.deb").unlink(missing_ok=True)
    with pytest.raises(WslgpuError):
        bundle_of(tmp_path, lock(source.url))
    assert leftovers(tmp_path) != []
    assert not (tmp_path / "bundle.tar").exists()
    source.faults.clear()
    before = [request["path"] for request in source.server.asked]
    bundle_of(tmp_path, lock(source.url))
    asked = [request["path"] for request in source.server.asked][len(before) :]
    assert asked == [THING]
    assert leftovers(tmp_path) == []


def test_what_the_archive_dropped_comes_from_its_snapshot(source: Source, tmp_path: Path) -> None:
    (source.folder / THING[1:]).rename(source.folder / f"snapshot{THING}")
    bundle_of(tmp_path, lock(source.url))
    assert Bundle(tmp_path / "bundle.tar").read("packages/debian-13/thing_1.0_amd64.deb") == DEB


def test_what_is_gone_everywhere_is_named_with_its_date(source: Source, tmp_path: Path) -> None:
    (source.folder / THING[1:]).unlink()
    with pytest.raises(WslgpuError, match=r"thing 1\.0 of debian 13.*2026-01-02T03:04:05Z.*is gone") as raised:
        bundle_of(tmp_path, lock(source.url))
    assert f"{source.url}/snapshot{THING}" in raised.value.what
    assert "wslgpu lock" in raised.value.next_step


def test_other_bytes_than_the_locks_are_refused(source: Source, tmp_path: Path) -> None:
    source.put(THING[1:], DEB[:-1] + b"x")
    with pytest.raises(WslgpuError, match=r"thing 1\.0") as raised:
        bundle_of(tmp_path, lock(source.url))
    assert (raised.value.error_class.value, raised.value.exit_code) == ("integrity", 1)
    assert not (tmp_path / "bundle.tar").exists()


def test_an_older_bundle_stays_where_a_new_one_fails(source: Source, tmp_path: Path) -> None:
    bundle_of(tmp_path, lock(source.url))
    before = (tmp_path / "bundle.tar").read_bytes()
    gone = lock(source.url)
    gone.distributions["debian 13"].packages["thing"] = package(b"other", THING[1:])
    with pytest.raises(WslgpuError):
        bundle_of(tmp_path, gone)
    assert (tmp_path / "bundle.tar").read_bytes() == before


def test_a_server_that_is_not_there_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(WslgpuError) as raised:
        bundle_of(tmp_path, lock("http://127.0.0.1:1"))
    assert (raised.value.error_class.value, raised.value.retryable, raised.value.exit_code) == ("network", True, 2)


def test_a_work_folder_file_that_rotted_is_fetched_by_the_next_run(source: Source, tmp_path: Path) -> None:
    work = tmp_path / ".bundle.tar.wslgpu-making"
    work.mkdir()
    (work / sha256(DEB)).write_bytes(DEB[:-1] + b"x")
    with pytest.raises(WslgpuError, match="changed after it was fetched") as raised:
        bundle_of(tmp_path, lock(source.url))
    assert raised.value.error_class.value == "integrity"
    bundle_of(tmp_path, lock(source.url))
    Bundle(tmp_path / "bundle.tar").verify()


def test_a_distribution_that_the_lock_lacks(source: Source, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no packages of 'debian 12'.*It has: debian 13"):
        bundle_of(tmp_path, lock(source.url), distributions=("debian-12",))


def test_a_target_that_cannot_be(source: Source, tmp_path: Path) -> None:
    for target, words in ((tmp_path, "is a folder"), (tmp_path / "no" / "x.tar", "no such folder")):
        with pytest.raises(UsageError, match=words):
            bundle_of(tmp_path, lock(source.url), target=target)


def mirrored(url: str) -> Settings:
    mirrors = [Mirror(registry=name, url=f"{url}/mirror") for name in ("docker.io", "127.0.0.1:1")]
    return load().model_copy(update={"containerd_mirrors": mirrors})


def test_an_image_with_the_one_architecture_that_fits(source: Source, tmp_path: Path) -> None:
    image = ImageContent()
    image.serve(source, "nvidia/cuda")
    wanted = lock(source.url, images={"docker.io/nvidia/cuda:13": image.locked()})
    bundle_of(tmp_path, wanted, settings=mirrored(source.url))
    bundle = Bundle(tmp_path / "bundle.tar")
    found = {path.rpartition("/")[2] for path in bundle.members if path.startswith("images/")}
    assert found == {digest.removeprefix("sha256:") for digest in image.blobs}


def test_a_registry_that_sends_other_bytes(source: Source, tmp_path: Path) -> None:
    image = ImageContent()
    image.serve(source, "nvidia/cuda")
    source.faults.set(f"/mirror/v2/nvidia/cuda/blobs/sha256:{sha256(image.layer)}", Fault(flip_byte=True))
    wanted = lock(source.url, images={"127.0.0.1:1/nvidia/cuda:13": image.locked()})
    with pytest.raises(WslgpuError, match="sha256") as raised:
        bundle_of(tmp_path, wanted, settings=mirrored(source.url))
    assert raised.value.error_class.value == "integrity"


def test_images_of_one_user_can_be_left_out(source: Source, tmp_path: Path) -> None:
    wanted = lock(source.url, images={"docker.io/vllm/vllm:1": ImageContent().locked("vllm")})
    made = bundle_of(tmp_path, wanted, without=frozenset({"wheels", "project", "sources", "vllm"}))
    assert "vllm" in made.index.left_out
    with pytest.raises(UsageError, match=r"no 'nothing' to leave out.*vllm"):
        bundle_of(tmp_path, wanted, without=frozenset({"nothing"}))


WITHOUT = frozenset({"wheels", "project", "sources", "images"})


def _agreed(url: str, tmp_path: Path) -> Lock:
    """The small lock with what an empty site.yml says."""
    site = tmp_path / "site.yml"
    site.touch()
    agreed = lock_samples.lock(load(site))
    return lock(url, inputs=agreed.inputs, images=agreed.images, profile=agreed.profile)


def _run(tmp_path: Path) -> subprocess.Popen[bytes]:
    words = ["bundle", "make", "--lock", str(tmp_path / LOCK_NAME), "--to", str(tmp_path / "bundle.tar")]
    words += ["--site", str(tmp_path / "site.yml"), *(word for kind in sorted(WITHOUT) for word in ("--without", kind))]
    return subprocess.Popen(
        [sys.executable, "-m", "wslgpu.cli", *words],
        cwd=PROJECT_ROOT,
        env={**os.environ, "NO_PROXY": "*", "no_proxy": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _killed_when(process: subprocess.Popen[bytes], seen: Path) -> bool:
    """Kill the run as soon as a file has something in it; False where the run was quicker."""
    deadline = time.monotonic() + 60
    try:
        while process.poll() is None:
            assert time.monotonic() < deadline, f"{seen} did not appear"
            if seen.is_file() and seen.stat().st_size:
                process.kill()
                process.communicate()
                return True
            time.sleep(0.001)
        return False
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("moment", ["first package", "second package", "the file itself"])
def test_killed_at_each_stage(source: Source, tmp_path: Path, moment: str) -> None:
    """The next run ends as one that nobody killed."""
    wanted = _agreed(source.url, tmp_path)
    if moment == "the file itself":  # large enough to be met while it is written
        content = b"\0" * (64 << 20)
        source.put("large.deb", content)
        wanted.distributions["debian 13"].packages["large"] = package(content, "large.deb")
    else:
        source.faults.set("/", Fault(bytes_per_s=20_000))
    work = tmp_path / ".bundle.tar.wslgpu-making"
    seen = {
        "first package": work / f"{sha256(DEB + b'lib')}.partial",
        "second package": work / f"{sha256(DEB)}.partial",
        "the file itself": tmp_path / ".bundle.tar.wslgpu-new",
    }[moment]
    written(tmp_path, wanted)
    killed = False
    for _ in range(5):
        (tmp_path / "bundle.tar").unlink(missing_ok=True)
        if killed := _killed_when(_run(tmp_path), seen):
            break
    assert killed, f"never met while {seen.name} was there"
    assert not (tmp_path / "bundle.tar").exists()
    source.faults.clear()
    (tmp_path / "other").mkdir()
    made = [bundle_of(folder, wanted, without=WITHOUT).sha256 for folder in (tmp_path, tmp_path / "other")]
    assert made[0] == made[1]
    assert leftovers(tmp_path) == []


def test_a_lock_of_other_data_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    written(tmp_path, _agreed("http://127.0.0.1:1", tmp_path))
    (tmp_path / "site.yml").write_text("containerd_version: 9.9-1\n")
    run = _run(tmp_path)
    said = run.communicate(timeout=60)[1].decode()
    assert run.returncode == 2, said
    assert f"containerd_version is 9.9-1 ({tmp_path}/site.yml:1), and not set in the lock" in said
    assert not (tmp_path / "bundle.tar").exists()
