"""The bundle of a run: what it gives, what it says where it has nothing, and what an apply takes out of it first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.artifact_records import store_one
from tests.unit.bundle_samples import DEB, ImageContent, bundle_of, lock, plain_bundle, sha256, written
from wslgpu.apply.bundled import environment_for
from wslgpu.bundle.archive import Bundle
from wslgpu.bundle.in_force import BUNDLE_VARIABLE, InForce, of_lock
from wslgpu.errors import UsageError, WslgpuError
from wslgpu.lock.model import LOCK_NAME, LOCK_VARIABLE, LockedArtifact
from wslgpu.settings import PROJECT_ROOT
from wslgpu.store.folder import Store

LOCAL = PROJECT_ROOT / "inventory" / "local.py"
URL = "http://x"


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, variable in (("cache", "WSLGPU_CACHE_DIR"), ("store", "WSLGPU_STORE_DIR")):
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.delenv(LOCK_VARIABLE, raising=False)
    monkeypatch.delenv(BUNDLE_VARIABLE, raising=False)


def test_without_the_variable_nothing_is_asked() -> None:
    def asked() -> Path | None:
        raise AssertionError("the lock was looked for")

    assert of_lock(asked) is None


def test_a_bundle_needs_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = plain_bundle(tmp_path, {}, lock(URL))
    monkeypatch.setenv(BUNDLE_VARIABLE, str(bundle))
    with pytest.raises(UsageError, match="no lock that it could be of"):
        of_lock(lambda: None)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(UsageError, match="of another lock"):
        of_lock(lambda: written(other, lock("http://y")))
    assert isinstance(of_lock(lambda: tmp_path / LOCK_NAME), InForce)


def test_what_it_gives(tmp_path: Path) -> None:
    image, wanted = ImageContent(), lock(URL)
    key = f"downloads/{sha256(b'key')[:16]}-gpgkey"
    files = {"packages/debian-13/thing_1.0_amd64.deb": DEB, key: b"key"}
    files |= {f"images/blobs/sha256/{digest[7:]}": content for digest, content in image.blobs.items()}
    given = InForce(Bundle(plain_bundle(tmp_path, files, wanted)), wanted)
    packages = wanted.distributions["debian 13"].packages
    assert given.package("debian 13", "thing", packages["thing"]).sha256 == sha256(DEB)
    found = given.download(f"{URL}/gpgkey")
    assert found is not None
    assert found.path == key
    assert given.download(f"{URL}/other") is None
    assert [member.sha256 for _, member in given.image("x/y:1", image.digest)] == [name[7:] for name in image.blobs]
    with pytest.raises(UsageError, match=r"no libthing 1\.0 of debian 13") as raised:
        given.package("debian 13", "libthing", packages["libthing"])
    assert "wslgpu bundle make" in raised.value.next_step


def test_another_file_in_the_place_of_one_of_the_lock(tmp_path: Path) -> None:
    """The index of such a bundle fits its files: only the lock knows better."""
    image, wanted = ImageContent(), lock(URL)
    files = {
        "packages/debian-13/thing_1.0_amd64.deb": b"other",
        f"downloads/{sha256(b'key')[:16]}-gpgkey": b"other",
        f"images/blobs/sha256/{image.digest[7:]}": b"{}",
    }
    given = InForce(Bundle(plain_bundle(tmp_path, files, wanted)), wanted)
    row = wanted.distributions["debian 13"].packages["thing"]
    for take in (
        lambda: given.package("debian 13", "thing", row),
        lambda: given.download(f"{URL}/gpgkey"),
        lambda: given.image("x/y:1", image.digest),
    ):
        with pytest.raises(WslgpuError, match=r"has another file for .* than the lock") as raised:
            take()
        assert raised.value.exit_code == 1


def test_a_bundle_that_says_to_be_of_another_lock_than_it_has(tmp_path: Path) -> None:
    with pytest.raises(WslgpuError, match="has another lock in it than its index says"):
        Bundle(plain_bundle(tmp_path, {}, lock(URL), says=f"sha256:{'1' * 64}"))


def test_an_artifact_that_the_lock_does_not_name_stays_out_of_the_store(tmp_path: Path) -> None:
    record = store_one(tmp_path / "elsewhere", tmp_path, "ffmpeg", "a", {"bin/ffmpeg": "x"})
    content = record.model_dump_json(by_alias=True).encode()
    bundle = plain_bundle(tmp_path, {f"artifacts/{record.name}/record.json": content}, lock(URL))
    with pytest.raises(WslgpuError, match=f"an artifact {record.name} that its lock does not name"):
        environment_for(bundle, LOCAL, {})
    assert Store(tmp_path / "store").records() == []


def test_what_was_left_out_is_said(tmp_path: Path) -> None:
    wanted = lock(URL, distributions={})
    made = bundle_of(tmp_path, wanted, without=frozenset({"wheels", "project", "sources", "images", "downloads"}))
    given = InForce(Bundle(made.target), wanted)
    with pytest.raises(UsageError, match="was made --without images"):
        given.image("x/y:1", ImageContent().digest)
    with pytest.raises(UsageError, match="was made --without downloads"):
        given.download(f"{URL}/gpgkey")


def test_an_apply_takes_lock_and_artifacts_out(tmp_path: Path) -> None:
    build_machine = tmp_path / "elsewhere"
    build_machine.mkdir()
    record = store_one(build_machine / "store", build_machine, "ffmpeg", "a", {"bin/ffmpeg": "x"})
    locked = LockedArtifact(build=record.build, key=record.key, digest=record.digest)
    wanted = lock(URL, distributions={}, downloads={}, artifacts={"ffmpeg": locked})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSLGPU_STORE_DIR", str(build_machine / "store"))
        made = bundle_of(tmp_path, wanted)

    environment = environment_for(made.target, LOCAL, {})
    assert environment[BUNDLE_VARIABLE] == str(made.target)
    assert Path(environment[LOCK_VARIABLE]).read_bytes() == (tmp_path / LOCK_NAME).read_bytes()
    assert [one.digest for one in Store(tmp_path / "store").records()] == [record.digest]
    assert environment_for(made.target, LOCAL, {}) == environment


def test_an_artifact_that_the_store_lacks(tmp_path: Path) -> None:
    locked = LockedArtifact(build="ffmpeg-7.1.5", key="a" * 64, digest=f"sha256:{'b' * 64}")
    wanted = lock(URL, distributions={}, downloads={}, artifacts={"ffmpeg": locked})
    with pytest.raises(UsageError, match=r"the store has no .*ffmpeg.*wslgpu build ffmpeg-7\.1\.5"):
        bundle_of(tmp_path, wanted)


def test_another_lock_that_somebody_chose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = plain_bundle(tmp_path, {}, lock(URL))
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv(LOCK_VARIABLE, str(written(other, lock("http://y"))))
    with pytest.raises(UsageError, match="of another lock"):
        environment_for(bundle, LOCAL, {})


def test_no_room_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    wanted = lock("http://127.0.0.1:1", downloads={})
    rows = wanted.distributions["debian 13"].packages
    rows["thing"] = rows["thing"].model_copy(update={"size_bytes": 10**18})
    with pytest.raises(WslgpuError, match="there is no room") as raised:
        bundle_of(tmp_path, wanted)
    assert raised.value.exit_code == 1
