"""The manifest's text: read, written, and refused where it cannot be trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wslgpu.errors import DataError
from wslgpu.manifest.load import NewerToolError, manifest_text, parse, version_key
from wslgpu.manifest.model import Component, Entry, Manifest, Package

AT = "2026-01-01T00:00:00Z"
MANIFEST = Manifest(
    serial=7,
    tool_version="1.2",
    at=AT,
    by="a@b",
    components={
        "base": Component(
            state="applied",
            at=AT,
            tool_version="1.2",
            settings="0" * 64,
            files={"/etc/é": Entry(kind="file", mode="644", owner="root:root", sha256="1" * 64)},
            packages={"curl": Package(version="8", before="7")},
        )
    },
)


def changed(**values: Any) -> str:
    return json.dumps({**json.loads(manifest_text(MANIFEST)), **values})


def test_what_is_written_is_read_as_it_was() -> None:
    text = manifest_text(MANIFEST)
    assert parse(text, tool_version="1.2") == MANIFEST
    assert text == manifest_text(parse(text, tool_version="1.2"))
    assert json.loads(text)["schema"] == 1
    assert "images" not in text, "what is empty takes no room"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        manifest_text(MANIFEST)[:-40],
        "[" * 100_000,
        "\ufffd\ufffd",
        changed(components={"base": {"state": "eaten"}}),
        changed(serial=-1),
        changed(extra=1),
        changed(at="yesterday"),
        changed(schema=0),
        changed(schema="1.5"),
    ],
)
def test_damaged(text: str) -> None:
    with pytest.raises(DataError, match="manifest is damaged") as raised:
        parse(text, "node1:/var/lib/wslgpu/manifest.json", "1.2")
    assert raised.value.exit_code == 2
    assert raised.value.where == "node1:/var/lib/wslgpu/manifest.json"
    assert "\n" not in str(raised.value)


def test_what_is_damaged_is_not_repeated() -> None:
    with pytest.raises(DataError) as raised:
        parse(changed(by={"password": "hunter2"}), tool_version="1.2")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        changed(tool_version="1.3"),
        changed(tool_version="1.2.1"),
        changed(tool_version="2"),
        changed(tool_version="1.10"),
        changed(schema=2),
        # a newer one may have what we do not know
        changed(schema=2, serial="seven", components=[]),
        changed(tool_version="1.3", more={}),
    ],
)
def test_a_newer_tools_is_refused(text: str) -> None:
    with pytest.raises(NewerToolError, match="Upgrade wslgpu") as raised:
        parse(text, tool_version="1.2")
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("written_by", ["1.2", "1.2.0", "1.1.9", "0.9", "1.2rc1", "unknown"])
def test_its_own_and_older_ones_are_read(written_by: str) -> None:
    assert parse(changed(tool_version=written_by), tool_version="1.2").serial == 7


def test_versions_are_compared_by_their_numbers() -> None:
    versions = ["x", "0.9", "1", "1.0.1", "1.2", "1.10", "2"]
    assert sorted(set(versions), key=version_key) == versions
    assert version_key("1.0.0") == version_key("1")


def test_a_hostile_version_does_not_reach_the_terminal() -> None:
    with pytest.raises(NewerToolError) as raised:
        parse(changed(tool_version="9\x1b[31m\nred"), tool_version="1.2")
    assert "\x1b" not in str(raised.value)
    assert "\n" not in str(raised.value)
