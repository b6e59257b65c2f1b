"""The driver's libraries as WSL brings them: the folder, the driver stores, the loader's cache, PCI, other drivers."""

from __future__ import annotations

import os
import stat
import time

from . import ldcache
from .base import NotSeenError, Probe
from .child import Emit
from .files import names, read_text, read_word
from .packages import named, packages

WSL_LIB = "/usr/lib/wsl/lib"
WSL_DRIVERS = "/usr/lib/wsl/drivers"
LD_CONF = "/etc/ld.so.conf.d/ld.wsl.conf"
STORES_LIMIT = 64
STORES_S = 3.0
_DISPLAY_DRIVERS = ("nv", "u0", "c0", "amd", "iigd", "igd", "qcdx")
_PCI = "/sys/bus/pci/devices"
_DRIVER_PACKAGES = (
    "nvidia-driver-",
    "nvidia-headless-",
    "nvidia-kernel-",
    "nvidia-dkms-",
    "nvidia-open",
    "libnvidia-compute-",
    "libnvidia-encode-",
    "libnvidia-decode-",
    "libnvidia-gl-",
    "cuda-drivers",
    "cuda-compat-",
    "linux-modules-nvidia-",
)
_DRIVER_NAMES = ("nvidia-driver", "nvidia-smi", "libcuda1", "libnvidia-ml1", "libnvcuvid1", "libnvidia-encode1")


def observe(probe: Probe) -> None:
    ids = ("wsl.lib_files", "wsl.driver_stores")
    if os.path.lexists(WSL_DRIVERS):
        # 9p waits for Windows, and then nothing but SIGKILL ends the one who asked
        probe.in_child(ids, _in_child, timeout_s=6.0)
    else:
        probe.look(ids[0], lambda: _folder(WSL_LIB))
        probe.observed(ids[1], [])
    probe.look("wsl.ld_cache", lambda: _ld_cache(probe))
    probe.look("wsl.ld_conf", _ld_conf)
    probe.look("wsl.pci", lambda: pci_counts(_pci_functions()))
    probe.look("gpu.device_nodes", _device_nodes)
    probe.look("gpu.linux_driver", lambda: _linux_driver(probe))


def _in_child(emit: Emit) -> None:
    emit("wsl.lib_files", _folder(WSL_LIB))
    emit("wsl.driver_stores", _stores())


def _folder(folder: str) -> dict[str, list[str]] | None:
    found = names(folder)
    if found is None:
        return None
    links: list[str] = []
    empty: list[str] = []
    for name in found:
        status = os.lstat(f"{folder}/{name}")
        if stat.S_ISLNK(status.st_mode):
            links.append(name)
        elif stat.S_ISREG(status.st_mode) and status.st_size == 0:
            empty.append(name)
    return {"names": found, "links": links, "empty": empty}


def _stores() -> list[dict[str, object]]:
    """Folders of the driver store that hold a library for Linux; of a thousand most hold none.

    Those that are named as display drivers are come first; the rest while there is time.
    """
    found: list[dict[str, object]] = []
    deadline = time.monotonic() + STORES_S
    every = names(WSL_DRIVERS) or []
    for name in sorted(every, key=lambda one: not one.lower().startswith(_DISPLAY_DRIVERS)):
        if len(found) == STORES_LIMIT or time.monotonic() > deadline:
            break
        files = [one for one in names(f"{WSL_DRIVERS}/{name}") or [] if ".so" in one or one == "nvidia-smi"]
        if any(one.endswith(".so") or ".so." in one for one in files):
            has_libcuda = any(one.startswith("libcuda.so") for one in files)
            found.append({"name": name, "vendor": vendor(name, files), "has_libcuda": has_libcuda, "files": files})
    return found


def vendor(store: str, files: list[str]) -> str:
    """Whose driver store it is, by its libraries and, failing those, by the name of its .inf file."""
    low = store.lower()
    if any(name.startswith(("libcuda", "libnv")) for name in files) or low.startswith("nv"):
        return "nvidia"
    if any(name.startswith(("libamd", "libatidxx", "amd")) for name in files) or low.startswith(("u0", "c0", "amd")):
        return "amd"
    if any(name.startswith(("libigd", "libigc", "libigdgmm", "libze_intel")) for name in files):
        return "intel"
    return "intel" if low.startswith(("iigd", "igd", "igcc")) else "other"


def _ld_cache(probe: Probe) -> dict[str, object]:
    pairs = ldcache.cache(probe)
    if pairs is None:
        raise NotSeenError("there is no /etc/ld.so.cache")
    return {
        "libcuda": ldcache.cached_paths(probe, "libcuda.so.1"),
        "libnvidia_ml": ldcache.cached_paths(probe, "libnvidia-ml.so.1"),
        "libdxcore": ldcache.cached_paths(probe, "libdxcore.so"),
        "wsl_lib_listed": any(path.startswith(WSL_LIB + "/") for _, path in pairs),
    }


def _ld_conf() -> dict[str, bool]:
    text = read_text(LD_CONF, 65536)
    lines = [line.partition("#")[0].strip() for line in (text or "").splitlines()]
    return {"exists": os.path.lexists(LD_CONF), "names_wsl_lib": WSL_LIB in lines}


def _pci_functions() -> list[tuple[str, str, str]]:
    """Vendor, device and class of each."""
    found: list[tuple[str, str, str]] = []
    for name in names(_PCI) or []:
        vendor_id = read_word(f"{_PCI}/{name}/vendor")
        if vendor_id in ("0x1414", "0x10de", "0x1002", "0x8086"):
            found.append((vendor_id, read_word(f"{_PCI}/{name}/device"), read_word(f"{_PCI}/{name}/class")))
    return found


def pci_counts(functions: list[tuple[str, str, str]]) -> dict[str, int]:
    """GPUs by vendor. Class 03 is a display controller, so that AMD's and Intel's other devices do not count."""
    return {
        "microsoft_gpu": sum(one[0] == "0x1414" and one[1] == "0x008e" for one in functions),
        "nvidia": sum(one[0] == "0x10de" and one[2].startswith("0x03") for one in functions),
        "amd": sum(one[0] == "0x1002" and one[2].startswith("0x03") for one in functions),
        "intel_gpu": sum(one[0] == "0x8086" and one[2].startswith("0x03") for one in functions),
    }


def _device_nodes() -> dict[str, object]:
    return {
        "nvidia": [f"/dev/{name}" for name in names("/dev") or [] if name.startswith("nvidia")],
        "dri": [f"/dev/dri/{name}" for name in names("/dev/dri") or [] if name.startswith(("card", "renderD"))],
        "kfd": os.path.exists("/dev/kfd"),
        "proc_driver_nvidia": os.path.isdir("/proc/driver/nvidia"),
        "proc_driver_nvidia_gpus": bool(names("/proc/driver/nvidia/gpus")),
    }


def _linux_driver(probe: Probe) -> dict[str, list[str]]:
    """libcuda.so.1 counts as foreign outside WSL's folder, in the cache or where distributions put it."""
    table = packages(probe) or {}
    paths = ldcache.cached_paths(probe, "libcuda.so.1")
    machine = os.uname().machine
    usual = (f"/usr/lib/{machine}-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
    paths += [path for path in (f"{folder}/libcuda.so.1" for folder in usual) if os.path.lexists(path)]
    modules = [line.split()[0] for line in (read_text("/proc/modules", 1 << 20) or "").splitlines() if line.split()]
    return {
        "packages": named(table, _DRIVER_PACKAGES, _DRIVER_NAMES),
        "foreign_libcuda": sorted({path for path in paths if not path.startswith("/usr/lib/wsl/")}),
        "modules": [name for name in modules if name.startswith(("nvidia", "nouveau", "amdgpu"))],
    }
