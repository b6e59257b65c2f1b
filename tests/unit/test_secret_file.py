"""Files that hold a secret: whose they may be, and that no error shows what is in them."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from wslgpu.errors import DataError
from wslgpu.secret_file import SIZE_LIMIT_BYTES, read_secret_file

SECRET = "c4n4ry"


def _file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_what_only_its_owner_may_read_is_read(tmp_path: Path) -> None:
    assert read_secret_file(_file(tmp_path, b"c4n4ry\n"), "the_setting") == "c4n4ry\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_what_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(DataError, match=f"the_setting has mode {mode:04o}: others may read it"):
        read_secret_file(_file(tmp_path, SECRET.encode(), mode), "the_setting")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"c4n4ry \xff", "not UTF-8 text"), (b"c4n4ry " * (SIZE_LIMIT_BYTES // 7 + 1), "larger than 1 MiB")],
)
def test_no_error_shows_the_content(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_secret_file(_file(tmp_path, content), "the_setting")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(DataError, match="the_setting"):
            read_secret_file(str(path), "the_setting")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_secret_file(str(tmp_path / "none"), "the_setting")
