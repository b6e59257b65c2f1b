"""Benchmarks, at level ``full``."""

from __future__ import annotations

from .base import Probe
from .call import no_ctypes, run_steps
from .cuda import without_devices

CUDA_IDS = (
    "bench.launch_latency",
    "bench.host_to_device_pinned",
    "bench.host_to_device_pageable",
    "bench.device_to_host_pinned",
    "bench.device_to_host_pageable",
    "bench.device_memory",
    "bench.device_allocatable",
)


def observe(probe: Probe) -> None:
    """All of bench.*."""
    if not probe.wants("full"):
        return
    _files(probe)
    if no_ctypes(probe, CUDA_IDS):
        return
    reason = without_devices(probe)
    if reason:
        for observation_id in CUDA_IDS:
            probe.unknown(observation_id, reason)
        return
    from . import bench_cuda
    from .cuda_driver import spoilt, with_context

    quick = [
        ("bench.launch_latency", bench_cuda.launch_latency),
        ("bench.host_to_device_pinned", bench_cuda.host_to_device_pinned),
        ("bench.host_to_device_pageable", bench_cuda.host_to_device_pageable),
        ("bench.device_to_host_pinned", bench_cuda.device_to_host_pinned),
        ("bench.device_to_host_pageable", bench_cuda.device_to_host_pageable),
        ("bench.device_memory", bench_cuda.device_memory),
    ]
    run_steps(probe, quick, with_context, timeout_s=40.0, spoilt=spoilt)
    run_steps(probe, [("bench.device_allocatable", bench_cuda.device_allocatable)], with_context, timeout_s=25.0)


def _files(probe: Probe) -> None:
    from . import bench_files

    try:
        folder = probe.folder()
    except OSError as error:
        probe.unknown("bench.read_local", f"no folder can be made: {error}")
    else:
        run_steps(probe, [("bench.read_local", lambda _: bench_files.read_local(folder))], lambda: None, timeout_s=20.0)
    run_steps(probe, [("bench.read_windows_drive", bench_files.read_windows_drive)], lambda: None, timeout_s=20.0)
