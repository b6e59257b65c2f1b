"""What differs, as text, JSON and Markdown."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.unit import capability_samples as samples
from wslgpu.catalogue.model import Platform
from wslgpu.report.capabilities import compare_json, compare_markdown, compare_text
from wslgpu.verdict.compare import compare
from wslgpu.verdict.model import State

WSL2 = (Platform.WSL2, Platform.WSL2)
DIFFERENT = compare(samples.healthy(), samples.without_gpu())
SAME = compare(samples.healthy(), samples.healthy())


def test_text_names_what_changed_from_what_to_what() -> None:
    text = " ".join(compare_text(DIFFERENT, platforms=WSL2).split())
    for wanted in (
        "gpu-01.example -> no-gpu",
        "driver: 581.80 -> not known",
        "llama-cpp-cuda: GO -> NO-GO [worse] now because of cuda.driver.loads",
        "cuda.driver.loads: works -> broken here [worse] libcuda.so.1 is not there",
        "cuda.ipc.legacy: WSL2 cannot -> not judged",
        "bench.host_to_device_pinned bytes_per_s: 1.25e+10 -> 2.5e+10 (x 2.00)",
    ):
        assert wanted in text


def test_text_fits_its_width() -> None:
    lines = compare_text(DIFFERENT, platforms=WSL2).splitlines()
    assert [line for line in lines if len(line) > 80 and len(line.split()) > 1] == []


def test_nothing_differs_is_said() -> None:
    assert "nothing differs" in compare_text(SAME)
    assert "Nothing differs." in compare_markdown(SAME)
    assert json.loads(compare_json(SAME))["same"] is True


def test_json_has_the_enumerations_words() -> None:
    data = json.loads(compare_json(DIFFERENT))
    assert data["schema"] == "wslgpu.compare/1"
    assert data["same"] is False
    driver = next(row for row in data["capabilities"] if row["id"] == "cuda.driver.loads")
    assert driver == {
        "id": "cuda.driver.loads",
        "title": "The NVIDIA driver loads",
        "old": "works",
        "new": "broken",
        "old_reason": "cuda.driver.loads is works",
        "new_reason": "libcuda.so.1 is not there",
        "better": False,
    }


def test_hostile_text_stays_text() -> None:
    hostile = samples.capability("cuda.driver.loads", State.BROKEN, reason=samples.HOSTILE)
    changed = compare(
        samples.all_go().nodes[0], replace(samples.all_go().nodes[0], name=samples.HOSTILE, capabilities=(hostile,))
    )
    assert "\x1b" not in compare_text(changed) + compare_json(changed)
    text = compare_markdown(changed)
    row = next(line for line in text.splitlines() if "cuda.driver.loads" in line)
    assert row.replace("\\|", "").count("|") == 5
    assert "<script" not in text.replace("\\<", "")
