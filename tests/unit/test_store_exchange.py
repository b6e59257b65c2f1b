"""Artifacts on their way: as an image in a folder, and as plain files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.artifact_samples import Sample, make_sample
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.programs import Result
from wslgpu.store import oci
from wslgpu.store.exchange import export_artifact, import_artifact
from wslgpu.store.folder import Store
from wslgpu.store.oci_layout import read_layout, write_layout


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "sample")


@pytest.fixture
def store(tmp_path: Path, sample: Sample) -> Store:
    found = Store(tmp_path / "store")
    found.add(sample.record, sample.archive, sample.bill, sample.provenance)
    return found


def test_an_image_holds_the_whole_artifact(tmp_path: Path, store: Store, sample: Sample) -> None:
    digest = write_layout(store, sample.record, tmp_path / "image")
    pulled = read_layout(tmp_path / "image", "here")
    assert pulled.record == sample.record
    assert pulled.archive.read_bytes() == sample.archive.read_bytes()
    assert (pulled.bill, pulled.provenance, pulled.manifest) == (sample.bill, sample.provenance, digest)
    assert write_layout(store, sample.record, tmp_path / "again") == digest


def _manifest(image: Path) -> Path:
    digest: str = json.loads((image / "index.json").read_text())["manifests"][0]["digest"]
    return image / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _rewrite(image: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest, every digest above it put right: what a registry's owner can do."""
    manifest = json.loads(_manifest(image).read_text())
    change(manifest)
    data = json.dumps(manifest).encode()
    digest = hashlib.sha256(data).hexdigest()
    (image / "blobs" / "sha256" / digest).write_bytes(data)
    index = json.loads((image / "index.json").read_text())
    index["manifests"][0]["digest"] = f"sha256:{digest}"
    (image / "index.json").write_text(json.dumps(index))


def _swap_archive(image: Path) -> None:
    data = b"\0" * 10240
    digest = hashlib.sha256(data).hexdigest()
    (image / "blobs" / "sha256" / digest).write_bytes(data)
    _rewrite(image, lambda manifest: manifest["layers"][0].update(digest=f"sha256:{digest}"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda image: _manifest(image).write_text("{}"), "other bytes than it says"),
        (lambda image: (image / "index.json").write_text("{}"), "no artifact of wslgpu"),
        (lambda image: (image / "index.json").write_text("["), "no artifact of wslgpu"),
        (lambda image: (image / "index.json").unlink(), "no artifact of wslgpu"),
        (lambda image: _rewrite(image, lambda manifest: manifest["layers"].pop()), "other layers"),
        (lambda image: _rewrite(image, lambda manifest: manifest["layers"].reverse()), "no artifact|speaks of"),
        (
            lambda image: _rewrite(image, lambda manifest: manifest["layers"][0].update(digest="sha256:../../x")),
            "names a blob by",
        ),
        (
            lambda image: _rewrite(image, lambda manifest: manifest["layers"][0].update(mediaType="text/html")),
            "other layers",
        ),
        (_swap_archive, "its record speaks of"),
    ],
)
def test_an_image_that_is_not_what_it_says(
    tmp_path: Path, store: Store, sample: Sample, spoil: Callable[[Path], object], said: str
) -> None:
    write_layout(store, sample.record, tmp_path / "image")
    for blob in (tmp_path / "image" / "blobs" / "sha256").iterdir():  # no links to the store's own files
        data = blob.read_bytes()
        blob.unlink()
        blob.write_bytes(data)
    spoil(tmp_path / "image")
    with pytest.raises(WslgpuError, match=said) as caught:
        read_layout(tmp_path / "image", "here")
    assert caught.value.error_class is ErrorClass.INTEGRITY


def test_export_and_import(tmp_path: Path, store: Store, sample: Sample) -> None:
    export_artifact(store, sample.record, tmp_path / "usb" / "stick")
    other = Store(tmp_path / "other")
    assert import_artifact(other, tmp_path / "usb" / "stick", sample.record.digest) == sample.record
    assert other.open_archive(sample.record).read_bytes() == sample.archive.read_bytes()
    with pytest.raises(UsageError, match="not empty"):
        export_artifact(store, sample.record, tmp_path / "usb" / "stick")


@pytest.mark.parametrize(
    ("spoil", "expected", "said"),
    [
        (lambda folder: (folder / "artifact.tar").write_bytes(b"\0" * 10240), "", "not the one"),
        (lambda folder: (folder / "record.json").write_text("{}"), "", "no whole export"),
        (lambda folder: (folder / "bill.json").write_text("{}"), "", "were to be those of"),
        (lambda folder: (folder / "bill.json").unlink(), "", "cannot be read"),
        (lambda _: None, "sha256:" + "0" * 64, "was to come"),
    ],
)
def test_an_export_that_is_not_what_it_says(
    tmp_path: Path, store: Store, sample: Sample, spoil: Callable[[Path], object], expected: str, said: str
) -> None:
    export_artifact(store, sample.record, tmp_path / "stick")
    spoil(tmp_path / "stick")
    other = Store(tmp_path / "other")
    with pytest.raises(WslgpuError, match=said):
        import_artifact(other, tmp_path / "stick", expected)
    assert other.records() == []


@pytest.mark.parametrize(
    ("said", "error_class", "exit_code"),
    [
        # skopeo 1.9 and oras 1.2, as they were seen to say it
        ("Error: reading blob sha256:0: Digest did not match, expected sha256:0, got sha256:1", "integrity", 1),
        ("Error: x509: certificate signed by unknown authority", "integrity", 1),
        ("pinging container registry h: http: server gave HTTP response to HTTPS client", "usage", 2),
        ("unauthorized: authentication required", "platform", 1),
        ("reading manifest 1 in h/x: manifest unknown: manifest unknown", "usage", 2),
        ("dial tcp 127.0.0.1:9: connect: connection refused", "network", 2),
        ("dial tcp: lookup registry.invalid: no such host", "network", 2),
        ("unexpected EOF", "network", 2),
        ("received unexpected HTTP status: 503 Service Unavailable", "network", 2),
        ("unknown flag: --preserve-digests", "platform", 1),
        ("something else", "platform", 1),
    ],
)
def test_what_skopeo_says_becomes_a_class(said: str, error_class: str, exit_code: int) -> None:
    found = oci.trouble(Result(1, "", said), "h/x:1")
    assert (found.error_class.value, found.exit_code) == (error_class, exit_code)
    assert said.split()[-1] in found.what


def test_tags_have_no_plus_and_no_tilde() -> None:
    registry = oci.Registry("registry.example.com/team")
    assert registry.reference("ffmpeg", "7.1.5+x~1-0123") == "registry.example.com/team/ffmpeg:7.1.5_x_1-0123"
