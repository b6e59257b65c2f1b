"""The artifact store: whole at every moment, verified at every read."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.artifact_samples import Sample, make_sample
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.store import blobs, quarantine
from wslgpu.store.folder import Store


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "sample")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def add(store: Store, sample: Sample) -> None:
    store.add(sample.record, sample.archive, sample.bill, sample.provenance)


def files_of(store: Store) -> set[str]:
    return {str(path.relative_to(store.path)) for path in store.path.rglob("*") if path.is_file()}


def test_what_goes_in_comes_out(store: Store, sample: Sample) -> None:
    assert store.records() == []
    add(store, sample)
    assert store.records() == [sample.record]
    assert store.find("ffmpeg-7.1.5", sample.record.key) == [sample.record]
    assert store.find("ffmpeg-7.1.5", "0" * 64) == []
    assert store.find("mesa-dozen-25.0.7") == []
    assert store.get(sample.record.name) == store.get(sample.record.digest) == sample.record
    assert store.open_archive(sample.record).read_bytes() == sample.archive.read_bytes()
    assert store.read_bill(sample.record) == sample.bill
    assert store.read_provenance(sample.record) == sample.provenance
    assert store.verify() == []
    hexes = (sample.record.digest, sample.record.bill, sample.record.provenance)
    assert files_of(store) == {
        "lock",
        "store.json",
        f"records/{sample.record.name}.json",
        *(f"blobs/sha256/{digest.removeprefix('sha256:')}" for digest in hexes),
    }


def test_the_youngest_comes_first(store: Store, tmp_path: Path) -> None:
    for day in (3, 9, 1):
        add(store, make_sample(tmp_path / str(day), content=str(day).encode(), created=f"2026-11-0{day}T00:00:00Z"))
    assert [record.created[8:10] for record in store.find("ffmpeg-7.1.5")] == ["09", "03", "01"]


def test_an_unknown_name_says_what_there_is(store: Store, sample: Sample) -> None:
    add(store, sample)
    with pytest.raises(UsageError, match=sample.record.name):
        store.get("mesa-dozen-1-000000000000")


@pytest.mark.parametrize("what", ["archive", "bill", "provenance", "record"])
def test_other_bytes_than_the_records_are_not_taken(store: Store, sample: Sample, tmp_path: Path, what: str) -> None:
    other = make_sample(tmp_path / "other", content=b"librarY")
    changed = {
        "archive": dataclasses.replace(sample, archive=other.archive),
        "bill": dataclasses.replace(sample, bill=b"{}"),
        "provenance": dataclasses.replace(sample, provenance=b"{}"),
        "record": dataclasses.replace(sample, record=sample.record.model_copy(update={"files": 9})),
    }[what]
    with pytest.raises(WslgpuError) as caught:
        add(store, changed)
    assert caught.value.error_class is ErrorClass.INTEGRITY
    assert store.records() == []
    assert not any(".json" in name and "records" in name for name in files_of(Store(store.path)))
    add(store, sample)
    assert store.records() == [sample.record]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(_flip, id="a bit"),
        pytest.param(lambda path: path.write_bytes(b""), id="nothing left"),
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: (path.unlink(), path.symlink_to("/etc/passwd")), id="a link"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="a folder"),
    ],
)
def test_a_corrupted_archive_is_set_aside_and_never_given_out(store: Store, sample: Sample, damage: object) -> None:
    add(store, sample)
    path = store.open_archive(sample.record)
    damage(path)  # type: ignore[operator]
    with pytest.raises(WslgpuError, match="corrupted") as caught:
        store.open_archive(sample.record)
    assert caught.value.error_class is ErrorClass.INTEGRITY
    assert "wslgpu build ffmpeg-7.1.5" in caught.value.next_step
    assert store.records() == []
    assert store.find("ffmpeg-7.1.5") == []
    assert any(sample.record.name in note["was"] for note in quarantine.notes(store.path))
    add(store, sample)
    assert store.open_archive(sample.record).read_bytes() == sample.archive.read_bytes()


@pytest.mark.parametrize("document", ["bill", "provenance"])
def test_a_corrupted_document_is_set_aside(store: Store, sample: Sample, document: str) -> None:
    add(store, sample)
    _flip(blobs.path_of(store.path, getattr(sample.record, document)))
    with pytest.raises(WslgpuError, match="corrupted"):
        getattr(store, f"read_{document}")(sample.record)
    assert store.records() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"record": {}, "sha256": ""}',
        "[" * 100_000,
        pytest.param(None, id="a changed licence"),
    ],
)
def test_a_corrupted_record_is_set_aside(store: Store, sample: Sample, text: str | None) -> None:
    add(store, sample)
    file = store.path / "records" / f"{sample.record.name}.json"
    file.write_text(file.read_text().replace('"MIT"', '"ISC"') if text is None else text)
    assert store.records() == []
    assert not file.exists()
    (note,) = quarantine.notes(store.path)
    assert note["was"] == f"records/{file.name}"
    add(store, sample)
    assert store.records() == [sample.record]


def test_a_record_under_another_name_is_set_aside(store: Store, sample: Sample) -> None:
    add(store, sample)
    file = store.path / "records" / f"{sample.record.name}.json"
    file.rename(file.with_name("ffmpeg-9.9.9-000000000000.json"))
    assert store.records() == []


def test_verifying_finds_all_of_it_and_once(store: Store, tmp_path: Path) -> None:
    one, two, three = (make_sample(tmp_path / word, content=word.encode()) for word in ("one", "two", "three"))
    for sample in (one, two, three):
        add(store, sample)
    _flip(blobs.path_of(store.path, one.record.digest))
    (store.path / "records" / f"{two.record.name}.json").write_text("{}")
    assert {found.name for found in store.verify()} == {one.record.name, two.record.name}
    assert store.verify() == []
    assert store.records() == [three.record]


def test_the_same_again_changes_nothing(store: Store, sample: Sample) -> None:
    add(store, sample)
    before = {name: (store.path / name).stat().st_ino for name in files_of(store)}
    later = sample.record.model_copy(update={"created": "2027-01-01T00:00:00Z"})
    store.add(later, sample.archive, sample.bill, sample.provenance)
    assert {name: (store.path / name).stat().st_ino for name in files_of(store)} == before
    assert store.records() == [sample.record]


def test_the_same_again_mends_what_is_damaged(store: Store, sample: Sample) -> None:
    add(store, sample)
    _flip(blobs.path_of(store.path, sample.record.bill))
    add(store, sample)
    assert store.verify() == []


def test_other_bytes_under_the_same_key_are_refused(store: Store, sample: Sample, tmp_path: Path) -> None:
    add(store, sample)
    other = make_sample(tmp_path / "other", content=b"other", key=sample.record.key)
    with pytest.raises(WslgpuError, match="one key, two results") as caught:
        add(store, other)
    assert caught.value.error_class is ErrorClass.INTEGRITY
    assert store.records() == [sample.record]
    store.remove([sample.record.name])
    add(store, other)
    assert store.records() == [other.record]


def test_pruning_keeps_what_is_named_and_shared_blobs(store: Store, tmp_path: Path) -> None:
    samples = [make_sample(tmp_path / word, content=word.encode()) for word in ("one", "two", "three")]
    for sample in samples:
        add(store, sample)
    gone = store.prune([samples[0].record.name, samples[1].record.digest])
    assert gone == [samples[2].record]
    assert {record.name for record in store.records()} == {sample.record.name for sample in samples[:2]}
    assert not blobs.path_of(store.path, samples[2].record.digest).exists()
    assert store.verify() == []  # the bill is shared by all three


def test_what_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match="no artifact store"):
        Store(tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


@pytest.mark.parametrize(
    ("note", "said"),
    [('{"schema": 2}', "form 2"), ("[]", "form None"), ("{", "cannot be read"), ("", "cannot be read")],
)
def test_a_store_of_another_form_is_said(store: Store, sample: Sample, note: str, said: str) -> None:
    add(store, sample)
    (store.path / "store.json").write_text(note)
    with pytest.raises(UsageError, match=said):
        Store(store.path)
    with pytest.raises(UsageError, match=said):
        add(store, sample)


def test_a_hostile_archive_is_not_taken_41(store: Store, sample: Sample, tmp_path: Path) -> None:
    import hashlib
    import tarfile

    with tarfile.open(tmp_path / "hostile.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../../etc/cron.d/x"))
    data = (tmp_path / "hostile.tar").read_bytes()
    record = sample.record.model_copy(
        update={"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size_bytes": len(data), "files": 1}
    )
    with pytest.raises(WslgpuError) as caught:
        store.add(record, tmp_path / "hostile.tar", sample.bill, sample.provenance)
    assert caught.value.error_class is ErrorClass.SAFETY
    assert store.records() == []


@pytest.mark.parametrize("version", ["../../../etc", "a/b", "", "-x", "1\n2"])
def test_a_version_cannot_name_a_place(sample: Sample, version: str) -> None:
    with pytest.raises(ValueError, match="version"):
        type(sample.record).model_validate({**sample.record.model_dump(by_alias=True), "version": version})


def test_many_adding_the_same_at_once(store: Store, sample: Sample) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: add(Store(store.path), sample), range(16)))
    assert store.records() == [sample.record]
    assert store.verify() == []
    assert not [name for name in files_of(store) if "/." in name]


KILLED = """
import os, sys
from pathlib import Path
from wslgpu.build.record import ArtifactRecord
from wslgpu.store.folder import Store

record = ArtifactRecord.model_validate_json(sys.argv[2])
archive, bill, provenance = Path(sys.argv[3]), sys.argv[4].encode(), sys.argv[5].encode()

def counting(name, real):
    def call(*words, **more):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
        return real(*words, **more)
    setattr(os, name, call)

for name in ("open", "fsync", "rename", "replace", "mkdir", "fchmod"):
    counting(name, getattr(os, name))
for moment in range(1, 500):
    child = os.fork()
    if child == 0:
        left = moment
        Store(Path(sys.argv[1], str(moment))).add(record, archive, bill, provenance)
        os._exit(0)
    left = 10**9
    if os.waitpid(child, 0)[1] == 0:
        print(moment)
        break
"""


def test_killed_at_any_moment_nothing_looks_whole_that_is_not(tmp_path: Path, sample: Sample) -> None:
    """A process dies before its n-th change of the disk, for every n; then somebody else goes on."""
    words = [str(tmp_path), sample.record.model_dump_json(by_alias=True), str(sample.archive)]
    words += [sample.bill.decode(), sample.provenance.decode()]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words], capture_output=True, text=True, check=True, timeout=60
    )
    last = int(done.stdout)
    assert last > 20
    for moment in range(1, last):
        store = Store(tmp_path / str(moment))
        assert store.verify() == [], moment
        assert store.records() in ([], [sample.record]), moment
        add(store, sample)
        assert store.records() == [sample.record], moment
        assert store.verify() == [], moment
        assert not [name for name in files_of(store) if "/." in f"/{name}"], moment
    assert Store(tmp_path / str(last)).records() == [sample.record]


@pytest.mark.skipif(
    os.geteuid() == 0, reason="root may write anywhere; tests/lab has a store that is mounted read-only"
)
def test_a_store_of_somebody_elses_can_be_read(store: Store, sample: Sample) -> None:
    add(store, sample)
    for folder in (store.path, store.path / "records", store.path / "blobs" / "sha256"):
        folder.chmod(0o555)
    assert store.open_archive(sample.record).exists()
    with pytest.raises(WslgpuError, match="may not be written"):
        store.remove([sample.record.name])


def test_the_record_file_is_for_people_too(store: Store, sample: Sample) -> None:
    add(store, sample)
    document = json.loads((store.path / "records" / f"{sample.record.name}.json").read_text())
    assert document["record"]["digest"] == sample.record.digest
    assert document["record"]["schema"] == 1
