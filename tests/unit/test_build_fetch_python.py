"""Pinned Python packages, fetched by the real pip from a folder that plays the index."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.source_server import OTHER, Waits, pin
from tests.unit.test_build_fetch import files
from wslgpu.build.fetch import fetch
from wslgpu.build.origins import pip_error
from wslgpu.build.pins import SourcePin
from wslgpu.errors import ErrorClass, WslgpuError

pytestmark = pytest.mark.usefixtures("build_cache")

METADATA = "Metadata-Version: 2.1\nName: wslgpu-thing\nVersion: 1.0\n"
# an sdist's own code runs when pip asks for its metadata; this one leaves a mark
BACKEND = """
import pathlib
pathlib.Path({mark!r}).write_text("ran")
def get_requires_for_build_wheel(config_settings=None):
    return []
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = pathlib.Path(folder, "wslgpu_thing-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text({metadata!r})
    return info.name
"""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel(folder: Path) -> Path:
    path = folder / "wslgpu_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("wslgpu_thing-1.0.dist-info/METADATA", METADATA)
        archive.writestr("wslgpu_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("wslgpu_thing-1.0.dist-info/RECORD", "")
    return path


def sdist(folder: Path, mark: Path) -> Path:
    path = folder / "wslgpu_thing-1.0.tar.gz"
    contents = {
        "PKG-INFO": METADATA,
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND.format(mark=str(mark), metadata=METADATA),
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in contents.items():
            info = tarfile.TarInfo(f"wslgpu_thing-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def row(file: Path, **changes: Any) -> SourcePin:
    content = file.read_bytes()
    row = {"file": file.name, "python": {"package": "wslgpu-thing"}, "size_bytes": len(content)}
    wanted = pin(**{**row, "sha256": hashlib.sha256(content).hexdigest(), **changes})
    return wanted.model_copy(update={"urls": []})


def refused(wanted: SourcePin) -> WslgpuError:
    with pytest.raises(WslgpuError) as caught:
        fetch(wanted, progress=lambda _: None, limits=Waits().limits)
    return caught.value


def test_a_wheel(index: Path, build_cache: Path) -> None:
    file = wheel(index)
    got = fetch(row(file), progress=lambda _: None)
    assert got.read_bytes() == file.read_bytes()
    assert files(build_cache) == [str(got.relative_to(build_cache))]


def test_an_sdist(index: Path, tmp_path: Path) -> None:
    file = sdist(index, tmp_path / "mark")
    wheel(index)
    assert fetch(row(file), progress=lambda _: None).read_bytes() == file.read_bytes()
    assert (tmp_path / "mark").exists()


def test_an_sdists_code_does_not_run_before_its_hash_is_right(index: Path, tmp_path: Path, build_cache: Path) -> None:
    file = sdist(index, tmp_path / "mark")
    error = refused(row(file, sha256=OTHER))
    assert not (tmp_path / "mark").exists()
    assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1)
    assert OTHER in str(error)
    assert hashlib.sha256(file.read_bytes()).hexdigest() in str(error)
    assert files(build_cache) == []


def test_a_version_that_the_index_lacks(index: Path) -> None:
    error = refused(row(wheel(index), version="9.9"))
    assert (error.error_class, error.exit_code) == (ErrorClass.PLATFORM, 1)
    assert "wslgpu-thing==9.9" in str(error)


@pytest.mark.parametrize(
    ("said", "error_class", "words"),
    [
        (
            "WARNING: Failed to resolve 'index.example' ([Errno -2] Name or service not known)",
            ErrorClass.NETWORK,
            "DNS",
        ),
        ("WARNING: Connection to index.example timed out.", ErrorClass.NETWORK, "cannot be reached"),
        ("Could not fetch URL https://i/: SSLError(CERTIFICATE_VERIFY_FAILED)", ErrorClass.INTEGRITY, "TLS"),
        ("ERROR: a\nERROR: No matching distribution found for x==1 https://u:secret@i/", ErrorClass.PLATFORM, "x==1"),
        ("", ErrorClass.PLATFORM, "nothing"),
    ],
)
def test_pips_words_are_understood(said: str, error_class: ErrorClass, words: str) -> None:
    error = pip_error(said, "x==1")
    assert error.error_class is error_class
    assert error.retryable is (error_class is ErrorClass.NETWORK)
    assert words in str(error)
    assert "secret" not in str(error)
