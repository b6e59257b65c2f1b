"""The recorded observation sets: whole, redacted, marked as what they are, and judged as they were when recorded."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

import pytest

from wslgpu.catalogue.load import load_catalogue
from wslgpu.catalogue.model import Platform
from wslgpu.probe.document import Level, Observations, parse
from wslgpu.probe.redact import redact
from wslgpu.probe.registry import observation_kinds
from wslgpu.verdict.judge import judge_node
from wslgpu.verdict.model import State, Verdict

FOLDER = Path(__file__).parents[1] / "fixtures" / "observations"
FILES = sorted(FOLDER.glob("*.json"))
TODAY = datetime.date(2026, 11, 21)
VERDICTS = {
    "lab-wsl2-standard": {
        "cuda": Verdict.GO,
        "pytorch": Verdict.GO,
        "llama-cpp": Verdict.GO,
        "vllm": Verdict.DEGRADED,
        "vllm-sleep-mode": Verdict.DEGRADED,
        "vllm-tensor-parallel": Verdict.NOT_APPLICABLE,
        "container-cuda": Verdict.GO,
        "ffmpeg-container": Verdict.GO,
        "kubernetes-gpu": Verdict.NO_GO,
        "criugpu": Verdict.NO_GO,
        "nixl": Verdict.DEGRADED,
    }
}
STATES = {
    "lab-wsl2-standard": {
        "cuda.init": State.WORKS,
        "cuda.kernel": State.WORKS,
        "cuda.managed.touch_concurrent": State.CANNOT,
        "cuda.ipc.legacy": State.CANNOT,
        "cuda.pinned.budget": State.LIMITED,
        "toolkit.installed": State.WORKS,
        "containerd.runtime.nvidia": State.WORKS,
        "container.cdi.paths_exist": State.WORKS,
        "nvml.utilization": State.WORKS,
        "wsl.dxg": State.WORKS,
    }
}
MAC = re.compile(r"(?i)\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b")


def document(path: Path) -> Observations:
    return parse(path.read_bytes(), str(path))


def test_each_file_has_its_verdicts_and_its_row_in_the_readme() -> None:
    assert {path.stem for path in FILES} == set(VERDICTS) == set(STATES)
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in FILES} == set(re.findall(r"^\| (\S+\.json) \|", readme, re.MULTILINE))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_set_is_whole(path: Path) -> None:
    recorded = document(path)
    assert set(recorded.observations) == set(observation_kinds()), "record it anew: see the README beside it"
    assert recorded.probe.level is Level.STANDARD
    assert recorded.received is not None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_lab_set_says_that_it_is_one(path: Path) -> None:
    assert document(path).stand_in is path.stem.startswith("lab-")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_set_tells_nobody_whose_it_is(path: Path) -> None:
    recorded, text = document(path), path.read_text(encoding="utf-8")
    assert recorded.redacted
    identity = recorded.identity
    digests = (identity.hostname, identity.machine_id, *identity.ssh_host_keys)
    assert all(digest.startswith("sha256:") for digest in digests)
    assert not MAC.search(text)
    assert not re.search(r"\bnode\d\b|/home/|/root/|\b(?:10|172|192)\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", text)
    again = redact(recorded.model_copy(update={"redacted": False}))
    changed = {key for key, one in again.observations.items() if one != recorded.observations[key]}
    assert changed == set(), "the redaction finds more than when it was recorded"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_set_is_judged(path: Path) -> None:
    node = judge_node(path.stem, document(path), load_catalogue(), required_workloads=["cuda"], today=TODAY)
    assert (node.platform, node.stand_in, node.exit_code()) == (Platform.WSL2, True, 0)
    verdicts = {workload.id: workload.verdict for workload in node.workloads}
    assert {key: verdicts[key] for key in VERDICTS[path.stem]} == VERDICTS[path.stem]
    states = STATES[path.stem]
    assert {key: node.capability(key).state for key in states} == states


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_without_one_observation_what_needs_it_is_not_go(path: Path) -> None:
    data = json.loads(path.read_bytes())
    data["observations"]["cuda.init"] = {"status": "unknown", "reason": "taken out"}
    node = judge_node(path.stem, parse(json.dumps(data).encode()), load_catalogue(), today=TODAY)
    verdicts = {workload.id: workload.verdict for workload in node.workloads}
    assert verdicts["cuda"] is Verdict.UNKNOWN
