"""Wrong YAML is named by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from wslgpu.errors import DataError
from wslgpu.yaml_source import SIZE_LIMIT_BYTES, load_yaml, validate


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "data.yml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rows: list[Row]


def test_values_and_lines(tmp_path: Path) -> None:
    document = load_yaml(written(tmp_path, "a: 1\nb:\n  - c: true\n  - d: text\n"))
    assert document.data == {"a": 1, "b": [{"c": True}, {"d": "text"}]}
    assert document.lines[("b", 1, "d")] == 4
    assert document.where(("b", 1, "d", "deeper")) == f"{document.path}:4"


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("a: 1\na: 2\n", 2, "'a' twice (first on line 1)"),
        ("a: [1, 2\n", 2, "not YAML"),
        ("a: &x 1\nb: *x\n", 2, "alias *x"),
        ("a: 1\n? [b]\n: 2\n", 2, "not a plain word"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        ("a: 2026-13-45\n", 1, "cannot be read"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: str | bytes, line: int, says: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError) as error:
        load_yaml(path)
    assert says in error.value.what
    assert error.value.where == f"{path}:{line}"
    assert error.value.exit_code == 2


def test_a_bomb_of_aliases_is_refused_before_it_is_built(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    with pytest.raises(DataError, match="alias"):
        load_yaml(written(tmp_path, "\n".join(rows)))


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bytes long"):
        load_yaml(written(tmp_path, b"#" * (SIZE_LIMIT_BYTES + 1)))


def test_a_byte_order_mark_and_carriage_returns_are_read_fine(tmp_path: Path) -> None:
    assert load_yaml(written(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")).data == {"a": 1, "b": 2}


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert load_yaml(written(tmp_path, "# nothing\n")).data == {}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_yaml(tmp_path / "none.yml")


def test_a_wrong_value_is_named_by_line_and_further_ones_are_counted(tmp_path: Path) -> None:
    document = load_yaml(written(tmp_path, "rows:\n  - size: 1\n  - size: many\n    colour: red\n"))
    with pytest.raises(DataError) as error:
        validate(Table, document)
    assert error.value.where == f"{document.path}:3"
    assert error.value.what.startswith("rows.1.size: ")
    assert error.value.what.endswith("(and 1 more)")


def test_an_unknown_key_is_named_by_its_own_line(tmp_path: Path) -> None:
    document = load_yaml(written(tmp_path, "rows:\n  - size: 1\n\ncolour: red\n"))
    with pytest.raises(DataError) as error:
        validate(Table, document)
    assert error.value.where == f"{document.path}:4"
    assert error.value.what == "colour: is not a key that wslgpu knows"


def test_a_second_document_is_an_error_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("a: 1\n---\nb: 2\n")
    with pytest.raises(DataError, match="more than one document") as error:
        load_yaml(path)
    assert error.value.where == f"{path}:3"
