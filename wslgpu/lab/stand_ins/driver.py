"""A stand-in for the WSL2 GPU driver: ``/usr/lib/wsl/lib`` and ``/usr/lib/wsl/drivers``.

``build_driver_tree`` compiles five small C sources and lays them out under the file names that NVIDIA's
Windows driver and WSL have on a real machine. The names, UUIDs and sizes of the GPUs are compiled in, so
that nvidia-smi, NVML, the CUDA driver API and dxcore of one tree agree. Every library carries the text
"wslgpu lab stand-in", every GPU's name ends in "(stand-in)", and whatever would need a GPU is refused.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from wslgpu.errors import WslgpuError

SOURCES = Path(__file__).with_name("src")
STORE_ROOT = "/usr/lib/wsl/drivers"

#: libcuda's three names are three regular files on WSL2, not links (microsoft/WSL#8587).
CUDA_NAMES = ("libcuda.so", "libcuda.so.1", "libcuda.so.1.1")
LIB_STUBS = (
    "libcudadebugger.so.1",
    "libd3d12.so",
    "libd3d12core.so",
    "libnvcuvid.so",
    "libnvcuvid.so.1",
    "libnvdxdlkernels.so",
    "libnvidia-encode.so",
    "libnvidia-encode.so.1",
    "libnvidia-opticalflow.so",
    "libnvidia-opticalflow.so.1",
    "libnvoptix.so.1",
    "libnvwgf2umx.so",
)
#: With libcuda.so.1.1, libnvidia-ml.so.1 and nvidia-smi: the store of the 1.19.1 and 1.20.0 captures.
STORE_STUBS = (
    "libcuda_loader.so",
    "libnvidia-ml_loader.so",
    "libnvdxgdmal.so.1",
    "libnvidia-ptxjitcompiler.so.1",
    "libnvidia-gpucomp.so",
    "libnvidia-nvvm.so.4",
    "libnvidia-nvvm70.so.4",
    "libnvidia-ngx.so.1",
    "libnvoptix_loader.so.1",
    "libnvidia-encode.so.1",
    "libnvcuvid.so.1",
    "libnvidia-opticalflow.so.1",
)
STORE_DATA = ("nvcubins.bin", "nvapi64.dll")
INTEGRATED_STUBS = ("libigdgmm_w.so", "libigd12umd64.so")

#: The marker in libdxcore.so behind which the stand-in toolkit finds an adapter's driver store.
ADAPTER_MARK = "wslgpu-stand-in-adapter="

# The 9p mount of the driver store has fmask=222: nothing in it is writable.
_FILE_MODE = 0o555


class StandInError(WslgpuError):
    """A stand-in could not be built."""


@dataclass(frozen=True)
class Gpu:
    """One pretended NVIDIA GPU. Sizes are in MiB."""

    name: str
    uuid: str
    total_mib: int
    used_mib: int


@dataclass(frozen=True)
class Scenario:
    """GPUs as CUDA and NVML list them, adapters as dxcore lists them (store name prefixes, in order)."""

    gpus: tuple[Gpu, ...]
    adapters: tuple[str, ...]


NVIDIA_STORE = "nv_dispi.inf_amd64_"
INTEGRATED_STORE = "iigd_dch.inf_amd64_"

_L20_A = Gpu("NVIDIA L20 (stand-in)", "GPU-01111111-2222-3333-4444-555555555555", 46068, 512)
_L20_B = Gpu("NVIDIA L20 (stand-in)", "GPU-02111111-2222-3333-4444-555555555555", 46068, 384)
_LAPTOP = Gpu("NVIDIA GeForce RTX 4070 Laptop GPU (stand-in)", "GPU-03111111-2222-3333-4444-555555555555", 8188, 256)

SCENARIOS: dict[str, Scenario] = {
    "one-gpu": Scenario((_L20_A,), (NVIDIA_STORE,)),
    # Two boards of one kind share one driver package, hence one store.
    "two-gpus": Scenario((_L20_A, _L20_B), (NVIDIA_STORE, NVIDIA_STORE)),
    "hybrid": Scenario((_LAPTOP,), (INTEGRATED_STORE, NVIDIA_STORE)),
}


def store_paths(scenario: str, store_hash: str) -> list[str]:
    """The driver stores of *scenario* as paths on the node, adapters in dxcore's order, each once."""
    adapters = _scenario(scenario).adapters
    return list(dict.fromkeys(f"{STORE_ROOT}/{prefix}{store_hash}" for prefix in adapters))


def build_driver_tree(
    dest: Path,
    *,
    scenario: str,
    store_hash: str = "0123456789abcdef",
    driver_version: str = "581.80",
    dxg: str = "/dev/dxg",
) -> None:
    """Make ``dest/lib`` (the node's /usr/lib/wsl/lib) and ``dest/drivers`` (its /usr/lib/wsl/drivers).

    The two folders are made anew: calling it again with another *store_hash* or *driver_version* is a
    Windows driver update. *dxg* is the device the libraries want to open; only tests change it.
    Raises StandInError when gcc is missing or does not compile the sources.
    """
    built = _compile(_scenario(scenario), tuple(store_paths(scenario, store_hash)), driver_version, dxg)
    lib, drivers = dest / "lib", dest / "drivers"
    for folder in (lib, drivers):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)

    for name in CUDA_NAMES:
        _put(lib / name, built["cuda"])
    for name in LIB_STUBS:
        _put(lib / name, built["common"])
    _put(lib / "libnvidia-ml.so.1", built["nvml"])
    _put(lib / "libdxcore.so", built["dxcore"])
    _put(lib / "nvidia-smi", built["smi"])

    for path in store_paths(scenario, store_hash):
        store = drivers / Path(path).name
        store.mkdir()
        if store.name.startswith(INTEGRATED_STORE):
            for name in INTEGRATED_STUBS:
                _put(store / name, built["common"])
            continue
        _put(store / "libcuda.so.1.1", built["cuda"])
        _put(store / "libnvidia-ml.so.1", built["nvml"])
        _put(store / "nvidia-smi", built["smi"])
        for name in STORE_STUBS:
            _put(store / name, built["common"])
        for name in STORE_DATA:
            _put(store / name, f"wslgpu lab stand-in of {name}\n".encode())


def compile_library(source: str, *flags: str) -> bytes:
    """The shared library that gcc makes of ``src/<source>.c``: the same bytes for the same input."""
    return _gcc(source, "-shared", "-fPIC", *flags)


def _scenario(name: str) -> Scenario:
    try:
        return SCENARIOS[name]
    except KeyError:
        raise StandInError(
            f"no driver scenario is called {name!r}", next_step=f"use one of {', '.join(SCENARIOS)}"
        ) from None


@functools.lru_cache(maxsize=16)
def _compile(scenario: Scenario, stores: tuple[str, ...], driver_version: str, dxg: str) -> dict[str, bytes]:
    gpus = ",".join(
        f"{{{_c(gpu.name)},{_c(gpu.uuid)},{gpu.total_mib}ULL<<20,{gpu.used_mib}ULL<<20}}" for gpu in scenario.gpus
    )
    devices = (f"-DSTAND_IN_GPUS={gpus}", f"-DSTAND_IN_DRIVER={_c(driver_version)}", f"-DSTAND_IN_DXG={_c(dxg)}")
    # One entry an adapter: two boards in one store are two adapters with the same path.
    paths = [next(path for path in stores if Path(path).name.startswith(prefix)) for prefix in scenario.adapters]
    adapters = (
        "-DSTAND_IN_STORES=" + ",".join("L" + _c(path) for path in paths),
        "-DSTAND_IN_ADAPTERS=" + " ".join(_c(ADAPTER_MARK + path + "\n") for path in paths),
    )
    return {
        "common": compile_library("common"),
        "cuda": compile_library("cuda", "-Wl,-soname,libcuda.so.1", *devices),
        "nvml": compile_library("nvml", "-Wl,-soname,libnvidia-ml.so.1", *devices),
        "dxcore": compile_library("dxcore", "-Wl,-soname,libdxcore.so", *adapters),
        "smi": _gcc("nvidia_smi", "-ldl"),
    }


def _gcc(source: str, *flags: str) -> bytes:
    compiler = shutil.which("gcc")
    if compiler is None:
        raise StandInError(
            "the stand-in driver libraries cannot be compiled: there is no gcc on this machine",
            next_step="apt-get install gcc libc6-dev",
        )
    inputs = sorted(path.read_bytes() for path in (SOURCES / "scenario.h", SOURCES / f"{source}.c"))
    key = hashlib.sha256(repr((compiler, inputs, flags)).encode()).hexdigest()
    cached = _cache() / f"{source}-{key[:32]}"
    if cached.is_file():
        return cached.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        # -fno-ident and no build id: the bytes depend on the sources and the compiler only.
        command = [compiler, "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-ident"]
        command += ["-fvisibility=hidden", "-s", "-Wl,--build-id=none", "-I", "."]
        command += ["-o", str(out), f"{source}.c", *flags]
        done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            hint = "apt-get install gcc libc6-dev" if ".h: No such file" in done.stderr else ""
            raise StandInError(f"gcc did not compile the stand-in {source}.c: {done.stderr.strip()}", next_step=hint)
        data = out.read_bytes()
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cached.parent, delete=False) as temporary:
        temporary.write(data)
    Path(temporary.name).replace(cached)
    return data


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "wslgpu" / "stand-ins"


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(_FILE_MODE)


def _c(text: str) -> str:
    """*text* as a C string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
