"""What the genuine device plugin was seen to do under a genuine kubelet (fixtures/captures), as tests read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CAPTURE = Path(__file__).parent / "fixtures/captures/k8s-device-plugin_kubelet-1.20.2_wsl.txt"
FIRST_GPU = "GPU-01111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Captured:
    """One version.

    :param log: lines, of which those with "…" name a GPU there
    :param for_one: NVIDIA_VISIBLE_DEVICES of a pod that asks for one GPU
    :param for_four: of one that asks for four; empty: it does not run
    :param pending: the event's text in that case
    :param refused_log: lines where NVML refuses event registration
    """

    log: tuple[str, ...]
    allocatable: int
    for_one: str
    for_four: str
    pending: str
    refused_log: tuple[str, ...]
    refused_allocatable: int | None


def captured(version: str) -> Captured:
    """What the capture says of a version."""
    text = CAPTURE.read_text(encoding="utf-8")
    part = re.search(rf"^plugin v{re.escape(version)}\n(.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    assert part, f"{CAPTURE.name} has nothing of {version}"
    body = re.sub(r"\n\s{7,}", " ", part[1])

    def found(pattern: str) -> str:
        match = re.search(pattern, body)
        return match[1] if match else ""

    log = tuple(line.strip() for line in found(r"log: (.*)").split(" / "))
    refused = found(r"when NVML refuses event registration[^:]*: (.*)")
    return Captured(
        log=tuple(line.removesuffix(" …") for line in log),
        allocatable=int(found(r"allocatable\[[^]]*\]: (\d+)")),
        for_one=found(r"asking for 1: runs, env NVIDIA_VISIBLE_DEVICES=(\S+),"),
        for_four=found(r"asking for 4: runs, env NVIDIA_VISIBLE_DEVICES=(.+?), no device node"),
        pending=found(r'asking for 4: Pending; event FailedScheduling: "([^"]+)"'),
        refused_log=tuple(re.findall(r'"([^"]+)"', refused)),
        refused_allocatable=int(found(r"allocatable: (\d+)\.")) if refused else None,
    )


def names_gpus(line: str, text: str) -> bool:
    """Whether ``text`` has the capture's line, whichever GPU it names where the capture abbreviates."""
    return re.search(re.escape(line).replace("GPU\\-…", r"GPU-[0-9a-f-]+"), text) is not None
