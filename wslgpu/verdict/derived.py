"""What is computed from a node's observations: the ``derived.*`` of ``observations.yml``.

Whatever cannot be computed, since what it rests on was not seen or is garbage, is ``unknown`` with the reason. What a
node itself sends under these names is not taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wslgpu.cdi import KIND, OUR_PATH, REFRESH_PATH, VIDEO_PATH
from wslgpu.probe.document import Observation, Observations, Status
from wslgpu.probe.registry import derived_kinds
from wslgpu.report.plain import clean
from wslgpu.verdict.derived_files import wsl_conf, wslconfig
from wslgpu.verdict.derived_platform import gpu, platform
from wslgpu.verdict.derived_versions import versions
from wslgpu.verdict.seen import NotSeenError, Seen

CODEC_LIBRARIES = ("libnvidia-encode", "libnvcuvid", "libnvidia-opticalflow")


def with_derived(document: Observations) -> Observations:
    """The document with every ``derived.*`` computed anew. It never raises."""
    seen = Seen(document)
    observations = {key: value for key, value in document.observations.items() if not key.startswith("derived.")}
    observations |= {row: _derive(row, seen) for row in derived_kinds()}
    return document.model_copy(update={"observations": observations})


def _derive(observation_id: str, seen: Seen) -> Observation:
    try:
        return Observation(status=Status.OBSERVED, value=_MAKERS[observation_id](seen))
    except NotSeenError as error:
        return Observation(status=Status.UNKNOWN, reason=clean(str(error), 300))


def _clock(seen: Seen) -> dict[str, Any]:
    run = seen.document.probe
    if not seen.document.received:
        raise NotSeenError("nobody noted when the document came")
    if not run.started:
        raise NotSeenError("the node told no time")
    return {"skew_seconds": round(run.started + run.duration_s - seen.document.received, 3)}


def _cdi(seen: Seen) -> dict[str, Any]:
    specs = seen.value("toolkit.cdi_specs")
    gpu_specs = [spec for spec in specs if spec["kind"] == KIND]
    video_specs = [spec for spec in specs if spec["file"] == VIDEO_PATH and spec["kind"] not in ("", KIND)]
    files: dict[str, list[str]] = {}
    for spec in specs:
        files.setdefault(spec["kind"], []).append(spec["file"])
    return {
        "gpu_devices": _sorted(device for spec in gpu_specs for device in spec["devices"]),
        "gpu_specs": _sorted(spec["file"] for spec in gpu_specs),
        "missing": _sorted(path for spec in gpu_specs for path in spec["missing"]),
        "codec_mounts": _codecs(gpu_specs),
        # the device that completes nvidia.com/gpu, of whatever kind the site calls it
        "video_devices": _sorted(f"{spec['kind']}={device}" for spec in video_specs for device in spec["devices"]),
        "video_missing": _sorted(path for spec in video_specs for path in spec["missing"]),
        "all_codec_mounts": _codecs([*gpu_specs, *video_specs]),
        # ours and that of NVIDIA's refresh unit stand side by side by design: the later directory counts
        "duplicate_kinds": _sorted(
            kind for kind, paths in files.items() if len(paths) > 1 and set(paths) != {OUR_PATH, REFRESH_PATH}
        ),
    }


def _codecs(specs: list[dict[str, Any]]) -> list[str]:
    mounts = _sorted(path for spec in specs for path in spec["mounts"])
    return [path for path in mounts if path.rsplit("/", 1)[-1].startswith(CODEC_LIBRARIES)]


def _storage(seen: Seen) -> dict[str, Any]:
    return {"on_windows": _sorted(row["path"] for row in seen.value("storage.placement") if row["on_windows"])}


def _toolkit(seen: Seen) -> dict[str, Any]:
    return {"versions": _sorted(package["version"] for package in seen.value("toolkit.packages").values())}


def _sorted(texts: Any) -> list[str]:
    return sorted(set(texts))


_MAKERS: dict[str, Callable[[Seen], dict[str, Any]]] = {
    "derived.platform": platform,
    "derived.gpu": gpu,
    "derived.versions": versions,
    "derived.clock": _clock,
    "derived.wsl_conf": wsl_conf,
    "derived.wslconfig": wslconfig,
    "derived.cdi": _cdi,
    "derived.storage": _storage,
    "derived.toolkit": _toolkit,
}
