"""The lock's file: canonical, read back as it was, and refused when somebody edited it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import lock_samples
from wslgpu.errors import DataError
from wslgpu.lock.load import digest_of, load_lock, lock_file
from wslgpu.lock.model import LOCK_VARIABLE, Lock
from wslgpu.lock.text import checksum, lock_text, split
from wslgpu.settings import load


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    site = tmp_path / "site.yml"
    site.write_text("")
    return lock_samples.lock(load(site))


@pytest.fixture
def file(lock: Lock, tmp_path: Path) -> Path:
    path = tmp_path / "wslgpu.lock.yml"
    path.write_text(lock_text(lock))
    return path


def test_it_is_read_back_as_it_was(lock: Lock, file: Path) -> None:
    assert load_lock(file)[0] == lock
    assert lock_text(load_lock(file)[0]) == file.read_text()
    assert digest_of(file).startswith("sha256:")


def test_the_same_lock_in_another_order_is_the_same_text(lock: Lock) -> None:
    part = lock.distributions["debian 13"]
    turned = part.model_copy(update={"packages": dict(reversed(part.packages.items()))})
    other = lock.model_copy(
        update={
            "distributions": {"debian 13": turned},
            "inputs": dict(reversed(lock.inputs.items())),
            "images": dict(reversed(lock.images.items())),
        }
    )
    assert lock_text(other) == lock_text(lock)


def test_words_that_yaml_takes_for_something_else_stay_words(lock: Lock, file: Path) -> None:
    odd = lock.model_copy(
        update={"inputs": {"n": "no", "on": "0x1f", "e": "1e3", "line": 'two\n"lines"', "none": None}}
    )
    file.write_text(lock_text(odd))
    assert load_lock(file)[0].inputs == odd.inputs


def _resealed(text: str) -> str:
    body = split(text)[1]
    return f"{text.splitlines()[0]}\n# checksum: sha256:{checksum(body)}\n{body}"


def _line(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize(
    ("edit", "at", "says"),
    [
        (lambda text: text.replace('version: "8.14"', 'version: "8.15"'), "# checksum", "edited by hand"),
        (lambda text: text.split("\n", 2)[2], "schema: 1", "has not the two lines"),
        (lambda text: _resealed(text.replace('["libc6", "runc"]', '["libc6", "crun"]')), "crun", "needs crun"),
        (lambda text: _resealed(text.replace("index: 1", "index: 7", 1)), "index: 7", "from index 7"),
        (lambda text: _resealed(text.replace("schema: 1", "schema: 2")), "schema: 2", "made by a newer wslgpu"),
        (lambda text: _resealed(text.replace("schema: 1\n", "")), "tool_version", "is no lock"),
        (lambda text: _resealed(text.replace("sha256:9", "sha256:x", 1)), "sha256:x", "should match pattern"),
        (lambda text: _resealed(text.replace("size_bytes: 1000", "size: 1000", 1)), "size: 1000", "is not a key"),
        (lambda _: "- a list\n", "- a list", "is no lock"),
    ],
    ids=["version", "no-lines", "not-closed", "no-index", "newer", "no-schema", "digest", "unknown-key", "list"],
)
def test_an_edited_lock_is_refused_by_file_and_line(file: Path, edit: Callable[[str], str], at: str, says: str) -> None:
    text = edit(file.read_text())
    file.write_text(text)
    with pytest.raises(DataError) as refusal:
        load_lock(file)
    assert says in str(refusal.value)
    line = 1 if at in ("schema: 1", "tool_version") else _line(text, at)
    if says != "is no lock":
        assert refusal.value.where == f"{file}:{line}"


def test_a_lock_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv(LOCK_VARIABLE, str(file))
    assert lock_file() == file
    monkeypatch.setenv(LOCK_VARIABLE, str(file) + ".gone")
    with pytest.raises(DataError, match="is not there"):
        lock_file()


def test_a_closure_leaves_the_minimal_system_out_unless_it_is_asked_for(lock: Lock) -> None:
    part = lock.distributions["debian 13"]
    assert list(part.closure(("containerd",))) == ["containerd", "runc"]
    assert list(part.closure(("curl", "libc6"))) == ["curl", "libc6"]
    assert list(part.closure(("containerd",), base=True)) == ["containerd", "libc6", "runc"]
    with pytest.raises(KeyError):
        part.closure(("nginx",))
