"""JUnit: what CI shows as red, as skipped and as green."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from tests.unit import capability_samples as samples
from wslgpu.report.capabilities import as_junit
from wslgpu.verdict.model import State, Verdict, WorkloadJudgement, WorkloadReason

ROOT = ET.fromstring(as_junit(samples.judgement()))  # noqa: S314 - our own document


def suite(name: str) -> ET.Element:
    return next(found for found in ROOT.findall("testsuite") if found.attrib["name"] == name)


def case(name: str, of: str = "gpu-01.example") -> ET.Element:
    return next(found for found in suite(of).findall("testcase") if found.attrib["name"] == name)


def outcome(found: ET.Element) -> tuple[str, str]:
    child = next((item for item in found if item.tag != "properties"), None)
    return ("passed", "") if child is None else (child.tag, child.attrib["message"])


def test_a_suite_per_node_and_one_for_its_workloads() -> None:
    assert [found.attrib["name"] for found in ROOT] == [
        "gpu-01.example",
        "gpu-01.example workloads",
        "no-gpu",
        "no-gpu workloads",
        "gone.example",
        "findings",
    ]
    assert "lab, stand-in driver" in ROOT.attrib["name"]


@pytest.mark.parametrize("name", [found.attrib["name"] for found in ROOT])
def test_the_counts_of_a_suite_are_those_of_its_cases(name: str) -> None:
    found = suite(name)
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(found.attrib[attribute]) == len(found.findall(f"testcase/{tag}"))
    assert int(found.attrib["tests"]) == len(found.findall("testcase"))


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("cuda.driver.loads", "passed", ""),
        ("cuda.pinned.budget", "passed", ""),
        ("cuda.ipc.legacy", "passed", ""),
        ("nvml.power_limit", "passed", ""),
        ("container.cdi.codec_libraries", "failure", "broken here: Codec libraries in containers (container."),
        ("wsl.swap", "failure", "broken here: The capability wsl.swap (wsl.swap: swap is off)"),
        ("container.ffmpeg", "skipped", "blocked by container.cdi.codec_libraries"),
        ("cuda.checkpoint.state", "skipped", "not tested: needs --level standard"),
        ("rocm.agents", "skipped", "does not apply: no AMD GPU is here"),
    ],
)
def test_what_a_state_is_in_ci(name: str, wanted: str, message: str) -> None:
    found, text = outcome(case(name))
    assert (found, text[: len(message)]) == (wanted, message)
    assert case(name).attrib["classname"] == name.split(".", maxsplit=1)[0]


def test_what_the_platform_cannot_passes_and_says_so() -> None:
    values = {item.attrib["name"]: item.attrib["value"] for item in case("cuda.ipc.legacy").iter("property")}
    assert values == {"state": "WSL2 cannot"}


def test_a_waived_capability_is_no_failure() -> None:
    node = samples.healthy()
    waiver = node.capability("wsl.swap").waiver
    waived = samples.capability("wsl.swap", State.BROKEN, waiver=waiver, reason="swap is off")
    root = ET.fromstring(as_junit(samples.judgement(type(node)("n", capabilities=(waived,)))))  # noqa: S314
    skipped = root.find(".//skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "waived: The capability wsl.swap (wsl.swap: swap is off)"


def test_a_node_that_was_not_probed_is_an_error() -> None:
    tag, message = outcome(case("gone.example", "gone.example"))
    assert tag == "error"
    assert message.startswith("ssh: no route to host a|b <script>")


def test_a_required_no_go_fails_and_the_reason_stands_in_its_message() -> None:
    of = "gpu-01.example workloads"
    assert outcome(case("ffmpeg-container", of)) == (
        "failure",
        "NO-GO: FFmpeg finds no encoder (container.cdi.codec_libraries: broken here)",
    )
    assert outcome(case("vllm-single", of)) == ("passed", "")
    assert outcome(case("criugpu", of))[0] == "skipped"


def test_strict_makes_degraded_a_failure() -> None:
    root = ET.fromstring(as_junit(samples.judgement(samples.healthy(), strict=True)))  # noqa: S314
    messages = [item.attrib["message"] for item in root.iter("failure")]
    assert [message for message in messages if message.startswith("DEGRADED")]


def test_evidence_and_remedy_stand_in_the_text() -> None:
    text = case("container.cdi.codec_libraries").findtext("failure") or ""
    assert 'derived.cdi = {"gpu_devices": ["all"]' in text
    assert text.endswith("-> Run `wslgpu apply` again; it writes the missing mounts.")
    assert samples.SCRIPT in text


def test_findings_are_cases() -> None:
    assert outcome(case("duplicate.machine_id", "findings"))[0] == "failure"
    assert outcome(case("clock.skew", "findings")) == ("passed", "")


def test_a_reason_begins_with_what_is_missing() -> None:
    """Also where its cause is a case of its own: a CI shows one message at a time."""
    node = samples.without_gpu()
    cause = node.causes[0]
    reason = WorkloadReason(cause.id, cause.state, f"{cause.reason}; needed for: this, that")
    work = WorkloadJudgement("w", "Work", Verdict.NO_GO, True, (reason,))
    root = ET.fromstring(as_junit(samples.judgement(replace(node, workloads=(work,)), findings=())))  # noqa: S314
    messages = [item.attrib["message"] for item in root.iter("failure")]
    assert messages == [
        "broken here: The NVIDIA driver loads (cuda.driver.loads: libcuda.so.1 is not there)",
        "NO-GO: broken here: The NVIDIA driver loads (cuda.driver.loads: libcuda.so.1 is not there; "
        "needed for: this, that)",
    ]
