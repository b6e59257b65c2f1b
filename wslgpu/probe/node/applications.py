"""Python packages, Ollama, llama.cpp, DCGM, and the parts of NVIDIA's toolkit that programs are built with."""

from __future__ import annotations

import glob
import os

from . import ldcache, services
from .base import Probe
from .containers import version_word
from .files import find_program, names, read_text, read_word
from .packages import named, packages

PYTHON_PACKAGES = frozenset(
    (
        "torch",
        "vllm",
        "tensorrt",
        "nixl",
        "nvidia-nccl-cu12",
        "nvidia-nccl-cu13",
        "cuda-python",
        "nvidia-ml-py",
        "llama-cpp-python",
        "onnxruntime-gpu",
    )
)
_SITES = (
    "/usr/lib/python3/dist-packages",
    "/usr/lib/python3.*/site-packages",
    "/usr/lib64/python3.*/site-packages",
    "/usr/local/lib/python3.*/dist-packages",
    "/usr/local/lib/python3.*/site-packages",
)
_LIMIT = 100


def observe(probe: Probe) -> None:
    home = os.environ.get("HOME") or os.path.expanduser("~")
    ollama = find_program("ollama")
    llama = find_program("llama-cli")
    dcgmi = find_program("dcgmi")
    nvcc = find_program("nvcc") or find_program("nvcc", "/usr/local/cuda/bin")
    asked = {path: [path, "--version"] for path in (ollama, llama, dcgmi, nvcc) if path is not None}
    running = {path: probe.start(words, timeout_s=6.0) for path, words in asked.items()}

    def said(path: str) -> str:
        done = probe.wait(running[path])
        return done.out + "\n" + done.err

    probe.look("python.packages", lambda: python_packages(_site_names(home)))
    probe.look("nccl.environment", lambda: nccl_settings(dict(os.environ), read_text("/etc/nccl.conf", 65536) or ""))
    probe.look("cuda.checkpoint_tool", lambda: _path(find_program("cuda-checkpoint")))
    probe.look("cuda.mps", _mps)
    probe.look("cuda.toolkit", lambda: _cuda_toolkit(probe, nvcc_version(said(nvcc)) if nvcc else None))
    probe.look(
        "dcgm.host_engine",
        lambda: (
            {"version": last_version(said(dcgmi)), "active": services.is_active(probe, "nvidia-dcgm.service")}
            if dcgmi
            else None
        ),
    )
    probe.look(
        "apps.ollama",
        lambda: (
            {"version": last_version(said(ollama)), "active": services.is_active(probe, "ollama.service")}
            if ollama
            else None
        ),
    )
    probe.look("apps.llama_cpp", lambda: {"path": llama, "version": llama_version(said(llama))} if llama else None)


def _path(path: str | None) -> dict[str, str] | None:
    return None if path is None else {"path": path}


def _site_names(home: str) -> list[str]:
    """Names in the folders where the system's python3, and this user's, has its packages."""
    folders = [
        folder for place in (*_SITES, f"{home}/.local/lib/python3.*/site-packages") for folder in glob.glob(place)
    ]
    return [name for folder in folders for name in names(folder, 20000) or []]


def python_packages(entries: list[str]) -> dict[str, str]:
    """Versions by the folders ``NAME-VERSION.dist-info``; of two the first."""
    found: dict[str, str] = {}
    for entry in entries:
        if entry.endswith(".dist-info"):
            name, _, version = entry[: -len(".dist-info")].rpartition("-")
            name = name.lower().replace("_", "-").replace(".", "-")
            if name in PYTHON_PACKAGES:
                found.setdefault(name, version[:60])
    return found


def nccl_settings(environment: dict[str, str], text: str) -> dict[str, str]:
    """NCCL_* of the session and of /etc/nccl.conf; the session's count."""
    rows = [line.partition("#")[0].partition("=") for line in text.splitlines()]
    found = {key.strip(): value.strip() for key, sign, value in rows if sign}
    found.update(environment)
    return {key: value[:300] for key, value in sorted(found.items()) if key.startswith("NCCL_")}


def last_version(text: str) -> str:
    """The last word that is a version: ``ollama version is 0.5.7``, ``dcgmi  version: 3.3.5``."""
    found = ""
    for line in text.splitlines():
        found = version_word(line.replace(":", " ")) or found
    return found


def llama_version(text: str) -> str:
    """``version: 4567 (abc1234)``: llama.cpp counts builds."""
    for line in text.splitlines():
        key, sign, value = line.partition(":")
        if sign and key.strip() == "version":
            return value.strip()[:60]
    return ""


def nvcc_version(text: str) -> str | None:
    """``Cuda compilation tools, release 12.6, V12.6.77``."""
    for word in text.replace(",", " ").split():
        if word[:1] == "V" and word[1:2].isdigit() and "." in word:
            return word[1:40]
    return None


def _cuda_toolkit(probe: Probe, nvcc: str | None) -> dict[str, object]:
    prefixes = ("cuda-toolkit-", "cuda-nvcc-", "cuda-cudart-", "cuda-cupti-", "libcudart", "libcupti")
    installed = named(packages(probe) or {}, prefixes, ("nvidia-cuda-toolkit",))
    cudart = glob.glob("/usr/local/cuda*/lib64/libcudart.so.*") + ldcache.cached_like(probe, "libcudart.so")
    cupti = glob.glob("/usr/local/cuda*/extras/CUPTI/lib64/libcupti.so.*") + ldcache.cached_like(probe, "libcupti.so")
    return {
        "nvcc": nvcc,
        "packages": installed[:_LIMIT],
        "libcudart": sorted(set(cudart))[:_LIMIT],
        "cupti": sorted(set(cupti))[:_LIMIT],
    }


def _mps() -> dict[str, object]:
    """The kernel keeps 15 characters of a program's name."""
    running = any(
        read_word(f"/proc/{name}/comm").startswith("nvidia-cuda-mps") for name in names("/proc") or [] if name.isdigit()
    )
    return {"binary": find_program("nvidia-cuda-mps-control"), "running": running}
