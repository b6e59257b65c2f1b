"""The parts that the commands of `wslgpu.check` are made of: names, files, and the report node by node."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.observation_documents import healthy
from wslgpu.catalogue.load import load_catalogue
from wslgpu.check.files import file_names, write_whole
from wslgpu.check.json_parts import json_parts
from wslgpu.check.judging import Clock, Rules, judge
from wslgpu.errors import UsageError
from wslgpu.probe.channels import LOCAL
from wslgpu.probe.gather import Answer
from wslgpu.report.capabilities import as_json, from_json


def test_the_report_in_parts_is_the_report() -> None:
    rules = Rules(load_catalogue(), ("cuda",))
    broken = healthy({"cuda.init": {"result": 100, "name": "CUDA_ERROR_NO_DEVICE"}})
    answers = [Answer(LOCAL, healthy()), Answer(LOCAL, broken), Answer(LOCAL, error=UsageError("nothing"))]
    for some in (answers, answers[:1], []):
        judgement = judge(some, rules, Clock.now())
        text = "".join(json_parts(judgement))
        assert json.loads(text) == json.loads(as_json(judgement))
        assert from_json(text) == from_json(as_json(judgement))


def test_no_two_nodes_have_one_file() -> None:
    names = ["a/b", "a_b", "A_B", "ssh://ann@node1:22", "..", "."]
    files = list(file_names(names).values())
    assert len({name.lower() for name in files}) == len(names)
    assert not any("/" in name or name.startswith(".") for name in files)


def test_a_file_is_written_whole_or_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    write_whole(file, "new", 0o600)
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o600)
    before = os.umask(0o027)
    try:
        write_whole(file, "newer")
    finally:
        os.umask(before)
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("newer", 0o640)
    with pytest.raises(UsageError):
        write_whole(tmp_path / "missing" / "file", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
