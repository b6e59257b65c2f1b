"""Whether vLLM's sleep mode is turned on: where somebody has judged that it works, and kept the judgement.

Sleep mode moves weights to the host and gives device memory back
(https://docs.vllm.ai/en/latest/features/sleep_mode/). Its addresses need VLLM_SERVER_DEV_MODE=1 and ask for no key:
vLLM's check covers /v1 alone.
"""

from __future__ import annotations

from pathlib import Path

from wslgpu.errors import UsageError, WslgpuError
from wslgpu.report.capabilities.json_document import from_json
from wslgpu.settings import Settings
from wslgpu.verdict.model import Verdict

WORKLOAD = "vllm-sleep-mode"
"""In the catalogue of workloads."""


def enabled(settings: Settings) -> tuple[bool, str]:
    """Whether it is on, and why.

    :raises UsageError: the file with the judgement cannot be read, or is none
    """
    if settings.vllm_sleep_mode != "auto":
        return settings.vllm_sleep_mode == "on", f"sleep mode is {settings.vllm_sleep_mode}: vllm_sleep_mode says so"
    if not settings.vllm_sleep_judgement:
        return (
            False,
            f"sleep mode is off: nobody has judged {WORKLOAD} (vllm_sleep_judgement: wslgpu check --json)",
        )
    path = Path(settings.vllm_sleep_judgement)
    try:
        judgement = from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(
            f"vllm_sleep_judgement cannot be read: {error.strerror}", str(path), "Check the path."
        ) from error
    except WslgpuError as error:
        raise UsageError(error.what, str(path), error.next_step) from error
    if any(node.stand_in for node in judgement.nodes):
        return False, f"sleep mode is off: {path.name} is of a lab with a stand-in driver"
    verdicts = {w.verdict for node in judgement.nodes for w in node.workloads if w.id == WORKLOAD}
    if verdicts == {Verdict.GO}:
        return True, f"sleep mode is on: {path.name} judges {WORKLOAD} GO"
    said = ", ".join(sorted(verdict.value for verdict in verdicts)) or "nothing"
    return False, f"sleep mode is off: {path.name} says {said} of {WORKLOAD}"
