"""The head of a report: what the node is, in short, and what was measured on it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from wslgpu.probe.document import Observations, Status
from wslgpu.report.plain import clean
from wslgpu.verdict.expectation import Place
from wslgpu.verdict.seen import Seen

_VALUE_LIMIT_CHARACTERS = 200


def facts_of(document: Observations, place: Place) -> dict[str, str]:
    """Platform, GPUs, distribution, memory, and every version that is known.

    :param document: with its ``derived.*``
    """
    seen = Seen(document)
    facts = {"platform": place.platform.value}
    if gpus := _gpus(seen):
        facts["gpu"] = gpus
    if system := seen.or_none("system.os_release"):
        facts["distribution"] = clean(system["pretty_name"] or system["id"], _VALUE_LIMIT_CHARACTERS)
    if memory := seen.or_none("system.memory"):
        facts["memory"] = f"{memory['total_bytes'] / (1 << 30):.1f} GiB"
    known = {name: clean(text, _VALUE_LIMIT_CHARACTERS) for name, text in place.versions.items() if text}
    return {name: value for name, value in {**facts, **known}.items() if value}


def _gpus(seen: Seen) -> str:
    """``2 x NVIDIA GeForce RTX 4090``: as CUDA names them, else as NVML does."""
    names = [row["name"] for row in seen.or_none("cuda.devices") or []]
    if not names:
        fields = seen.or_none("nvml.fields") or {}
        names = [name for name in fields.get("name", {}).get("values", []) if isinstance(name, str)]
    counted = Counter(clean(name, 100).strip() for name in names)
    return ", ".join(f"{number} x {name}" if number > 1 else name for name, number in counted.items() if name)


def benchmarks_of(document: Observations) -> dict[str, Any]:
    """``bench.*`` -> its value, texts in it made safe."""
    return {
        name: {clean(str(key), 60): clean(item, 100) if isinstance(item, str) else item for key, item in value.items()}
        for name, observation in document.observations.items()
        if name.startswith("bench.") and observation.status is Status.OBSERVED
        if isinstance(value := Seen(document).or_none(name), dict)
    }


def probe_of(document: Observations) -> dict[str, Any]:
    """How the document was made."""
    run = document.probe
    return {
        "level": run.level.value,
        "view": run.view.value,
        "program": clean(run.program, 80),
        "interpreter": clean(run.interpreter, 80),
        "started": run.started,
        "duration_s": run.duration_s,
        "cpu_s": run.cpu_s,
        "uid": run.uid,
        "redacted": document.redacted,
    }
