"""Sleep mode: on where the data say so, or where a kept judgement says GO; off otherwise, always with the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.capability_samples import healthy, judgement
from tests.unit.rendered_workloads import settings
from wslgpu.errors import UsageError
from wslgpu.report.capabilities.json_document import as_json
from wslgpu.verdict.model import Verdict
from wslgpu.workloads.model import NodeTruth
from wslgpu.workloads.render import render
from wslgpu.workloads.vllm_sleep import WORKLOAD, enabled


def kept(folder: Path, *verdicts: Verdict, lab: bool = False) -> str:
    """A report that says these of the workload, a node each."""
    node = replace(healthy(), stand_in=lab)
    sample = node.workloads[0]
    nodes = [
        replace(node, name=f"node{number}", workloads=(replace(sample, id=WORKLOAD, verdict=verdict),))
        for number, verdict in enumerate(verdicts)
    ]
    path = folder / "report.json"
    path.write_text(as_json(judgement(*(nodes or [node]))), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("verdicts", "on"),
    [
        ((Verdict.GO,), True),
        ((Verdict.GO, Verdict.GO), True),
        ((Verdict.DEGRADED,), False),
        ((Verdict.NO_GO,), False),
        ((Verdict.GO, Verdict.NO_GO), False),
        ((), False),
    ],
)
def test_a_kept_judgement_decides(tmp_path: Path, verdicts: tuple[Verdict, ...], on: bool) -> None:
    chosen = settings(vllm_sleep_judgement=kept(tmp_path, *verdicts))
    assert enabled(chosen)[0] is on
    rendered = render("vllm", chosen, NodeTruth())
    text = rendered.files["deployment.yaml"]
    assert ("--enable-sleep-mode" in text) == ("VLLM_SERVER_DEV_MODE" in text) == on
    assert any("ask for no key" in note for note in rendered.notes) == on


def test_a_labs_go_passes_for_nobodys(tmp_path: Path) -> None:
    on, why = enabled(settings(vllm_sleep_judgement=kept(tmp_path, Verdict.GO, lab=True)))
    assert not on
    assert "of a lab" in why


def test_nobody_has_judged() -> None:
    on, why = enabled(settings())
    assert not on
    assert "nobody has judged" in why


@pytest.mark.parametrize("choice", ["on", "off"])
def test_the_data_go_before_a_judgement(tmp_path: Path, choice: str) -> None:
    chosen = settings(vllm_sleep_mode=choice, vllm_sleep_judgement=kept(tmp_path, Verdict.GO))
    assert enabled(chosen)[0] is (choice == "on")


@pytest.mark.parametrize("text", [None, "{}", "no JSON"])
def test_what_is_no_judgement_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as error:
        enabled(settings(vllm_sleep_judgement=str(path)))
    assert error.value.where == str(path)
    assert error.value.exit_code == 2
