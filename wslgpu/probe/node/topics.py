"""The topics in the order in which they are looked at.

What a driver that hangs may hold up comes after what it may not: when the run's time is over, the rest is unknown.
"""

from __future__ import annotations

TOPICS = (
    "system",
    "wsl",
    "wsl_libraries",
    "windows_drive",
    "kernel",
    "toolkit",
    "containers",
    "kubernetes",
    "applications",
    "network",
    "systemd_state",
    "ffmpeg",
    "rocm",
    "smi",
    "cuda",
    "nvml",
    "codec",
    "dxcore",
    "nccl",
    "opencl",
    "graphics",
    "bench",
)
