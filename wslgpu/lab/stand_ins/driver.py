"""A stand-in for the WSL2 GPU driver: ``/usr/lib/wsl/lib`` and ``/usr/lib/wsl/drivers``.

``build_driver_tree`` compiles small C sources and lays them out under the file names that NVIDIA's Windows driver
and WSL have on a real machine. The names, UUIDs and sizes of the GPUs are compiled in, so that nvidia-smi, NVML,
the CUDA driver API and dxcore of one tree agree; so is what a healthy machine of the platform answers. What a
scenario answers otherwise lies in a file beside the libraries (scenarios.py).

Every library carries the text "wslgpu lab stand-in" and every GPU's name ends in "(stand-in)". Device memory is
host memory, the three kernels of wslgpu's own probe are done on the CPU, and whatever else would need a GPU is
refused. gcc and libc's headers are all that is needed; tests compile the same sources against NVIDIA's own headers.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wslgpu.errors import UsageError, WslgpuError
from wslgpu.lab.stand_ins import scenarios

SOURCES = Path(__file__).with_name("src")
STORE_ROOT = "/usr/lib/wsl/drivers"

#: libcuda's three names are three regular files on WSL2, not links (microsoft/WSL#8587).
CUDA_NAMES = ("libcuda.so", "libcuda.so.1", "libcuda.so.1.1")
LIB_STUBS = (
    "libcudadebugger.so.1",
    "libd3d12.so",
    "libd3d12core.so",
    "libnvdxdlkernels.so",
    "libnvidia-opticalflow.so",
    "libnvidia-opticalflow.so.1",
    "libnvoptix.so.1",
    "libnvwgf2umx.so",
)
CODEC_NAMES = {
    "libnvidia-encode.so": "nvenc",
    "libnvidia-encode.so.1": "nvenc",
    "libnvcuvid.so": "nvcuvid",
    "libnvcuvid.so.1": "nvcuvid",
}
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
class Hardware:
    """GPUs as CUDA and NVML list them, adapters as dxcore lists them (store name prefixes, in order)."""

    gpus: tuple[Gpu, ...]
    adapters: tuple[str, ...]


NVIDIA_STORE = "nv_dispi.inf_amd64_"
INTEGRATED_STORE = "iigd_dch.inf_amd64_"

_L20_A = Gpu("NVIDIA L20 (stand-in)", "GPU-01111111-2222-3333-4444-555555555555", 46068, 512)
_L20_B = Gpu("NVIDIA L20 (stand-in)", "GPU-02111111-2222-3333-4444-555555555555", 46068, 384)
_LAPTOP = Gpu("NVIDIA GeForce RTX 4070 Laptop GPU (stand-in)", "GPU-03111111-2222-3333-4444-555555555555", 8188, 256)

_FOUR_L20 = tuple(
    Gpu("NVIDIA L20 (stand-in)", f"GPU-0{number}111111-2222-3333-4444-555555555555", 46068, 0)
    for number in (1, 2, 6, 7)
)

_A100 = tuple(
    Gpu("NVIDIA A100-SXM4-40GB (stand-in)", f"GPU-0{number}111111-2222-3333-4444-555555555555", 40960, 0)
    for number in (4, 5)
)

#: The hardware. What it answers, well or not, is in scenarios.SCENARIOS, whose names are taken wherever these are.
SCENARIOS: dict[str, Hardware] = {
    "one-gpu": Hardware((_L20_A,), (NVIDIA_STORE,)),
    # Two boards of one kind share one driver package, hence one store.
    "two-gpus": Hardware((_L20_A, _L20_B), (NVIDIA_STORE, NVIDIA_STORE)),
    "four-gpus": Hardware(_FOUR_L20, (NVIDIA_STORE,) * 4),
    "hybrid": Hardware((_LAPTOP,), (INTEGRATED_STORE, NVIDIA_STORE)),
    "two-nvlink-gpus": Hardware(_A100, (NVIDIA_STORE, NVIDIA_STORE)),
}


def store_paths(scenario: str, store_hash: str) -> list[str]:
    """The driver stores of *scenario* as paths on the node, adapters in dxcore's order, each once."""
    adapters = _hardware(_scenario(scenario)).adapters
    return list(dict.fromkeys(f"{STORE_ROOT}/{prefix}{store_hash}" for prefix in adapters))


def build_driver_tree(
    dest: Path,
    *,
    scenario: str,
    store_hash: str = "0123456789abcdef",
    driver_version: str | None = None,
    dxg: str = "/dev/dxg",
) -> None:
    """Make ``dest/lib`` (the node's /usr/lib/wsl/lib) and ``dest/drivers`` (its /usr/lib/wsl/drivers).

    *scenario* is a name of :data:`SCENARIOS` or of ``scenarios.SCENARIOS``. One of the platform ``linux`` has
    ``dest/lib`` alone, for a folder of the loader's: no driver store, no dxcore, no device to open.

    The two folders are made anew: calling it again with another *store_hash* or *driver_version* is a Windows
    driver update. *driver_version* is the scenario's unless given. *dxg* is the device the libraries want to open;
    only tests change it. Raises StandInError when gcc is missing or does not compile the sources.
    """
    chosen = _scenario(scenario)
    hardware = _hardware(chosen)
    wsl = chosen.platform == "wsl2"
    stores = tuple(store_paths(scenario, store_hash)) if wsl else ()
    answers = scenarios.as_text(chosen.settings) if chosen.compiled else ""
    version, device = driver_version or chosen.driver_version, dxg if wsl else ""
    built = _compile(hardware, chosen.platform, stores, version, device, chosen.missing, answers)
    lib, drivers = dest / "lib", dest / "drivers"
    for folder in (lib, drivers):
        if folder.exists():
            shutil.rmtree(folder)
    lib.mkdir(parents=True)
    _put_library(lib, built, wsl=wsl)
    for path in stores:
        store = drivers / Path(path).name
        store.mkdir(parents=True)
        _put_store(store, built)
    scenarios.place_file(dest, scenario, chosen)
    for name in chosen.without:
        if name == "STORE":
            for store in drivers.glob(f"{NVIDIA_STORE}*"):
                shutil.rmtree(store)
        elif name.startswith("STORE/"):
            for store in drivers.glob(f"{NVIDIA_STORE}*"):
                (store / name.removeprefix("STORE/")).unlink()
        else:
            (dest / name).unlink()


def _put_library(lib: Path, built: dict[str, bytes], *, wsl: bool) -> None:
    for name in CUDA_NAMES:
        _put(lib / name, built["cuda"])
    for name in LIB_STUBS if wsl else ():
        _put(lib / name, built["common"])
    for name, source in CODEC_NAMES.items():
        _put(lib / name, built[source])
    _put(lib / "libnvidia-ml.so.1", built["nvml"])
    if wsl:
        _put(lib / "libdxcore.so", built["dxcore"])
    _put(lib / "nvidia-smi", built["smi"])


def _put_store(store: Path, built: dict[str, bytes]) -> None:
    if store.name.startswith(INTEGRATED_STORE):
        for name in INTEGRATED_STUBS:
            _put(store / name, built["common"])
        return
    _put(store / "libcuda.so.1.1", built["cuda"])
    _put(store / "libnvidia-ml.so.1", built["nvml"])
    _put(store / "nvidia-smi", built["smi"])
    for name in STORE_STUBS:
        _put(store / name, built["common"])
    for name, source in CODEC_NAMES.items():
        if name.endswith(".1"):
            _put(store / name, built[source])
    for name in STORE_DATA:
        _put(store / name, f"wslgpu lab stand-in of {name}\n".encode())


def compile_library(source: str, *flags: str) -> bytes:
    """The shared library that gcc makes of ``src/<source>.c``: the same bytes for the same input."""
    return _gcc((f"{source}.c",), "-shared", "-fPIC", *flags)


def compile_program(source: str, *flags: str) -> bytes:
    """The program that gcc makes of ``src/<source>.c``: the same bytes for the same input."""
    return _gcc((f"{source}.c",), *flags)


def library_sources(library: str) -> tuple[str, ...]:
    """The files of one library that answers: ``src/<library>.c``, ``src/<library>_*.c`` and the settings' reader."""
    parts = sorted(path.name for path in SOURCES.glob(f"{library}_*.c"))
    return (f"{library}.c", *parts, "scenario.c")


def device_flags(
    gpus: Sequence[Gpu], platform: str, driver_version: str, dxg: str, answers: str = ""
) -> tuple[str, ...]:
    """What src/scenario.h wants defined for libraries that know the GPUs; *answers* stand over the platform's."""
    rows = ",".join(f"{{{_c(g.name)},{_c(g.uuid)},{g.total_mib}ULL<<20,{g.used_mib}ULL<<20}}" for g in gpus)
    return (
        f"-DSTAND_IN_GPUS={rows}",
        f"-DSTAND_IN_SETTINGS={_c(scenarios.as_text(scenarios.PLATFORMS[platform].settings) + answers)}",
        f"-DSTAND_IN_DRIVER={_c(driver_version)}",
        f"-DSTAND_IN_DXG={_c(dxg)}",
    )


def _scenario(name: str) -> scenarios.Scenario:
    if name in SCENARIOS and name not in scenarios.SCENARIOS:
        return scenarios.Scenario(imitates="the hardware alone", source="", hardware=name)
    try:
        return scenarios.find(name)
    except UsageError as error:
        raise StandInError(error.what, next_step=error.next_step) from None


def _hardware(scenario: scenarios.Scenario) -> Hardware:
    return SCENARIOS[scenario.hardware]


@functools.lru_cache(maxsize=16)
def _compile(
    hardware: Hardware,
    platform: str,
    stores: tuple[str, ...],
    driver_version: str,
    dxg: str,
    missing: tuple[str, ...],
    answers: str,
) -> dict[str, bytes]:
    devices = device_flags(hardware.gpus, platform, driver_version, dxg, answers)
    nothing = "-DSTAND_IN_SETTINGS=" + _c("")

    def library(source: str, soname: str, *flags: str) -> bytes:
        return _gcc(library_sources(source), "-shared", "-fPIC", f"-Wl,-soname,{soname}", *flags)

    # A function cannot vanish while a program runs: one that is missing is compiled under another name.
    lacks = [f"-D{name}=lacking_{name}" for name in missing]
    built = {
        "common": compile_library("common"),
        "cuda": library("cuda", "libcuda.so.1", *devices, *lacks),
        "nvml": library("nvml", "libnvidia-ml.so.1", *devices, *lacks),
        "nvenc": library("nvenc", "libnvidia-encode.so.1", nothing),
        "nvcuvid": library("nvcuvid", "libnvcuvid.so.1", nothing),
        "smi": _gcc(("nvidia_smi.c", "scenario.c"), nothing, "-ldl"),
    }
    if stores:
        # One entry an adapter: two boards in one store are two adapters with the same path.
        paths = [next(path for path in stores if Path(path).name.startswith(prefix)) for prefix in hardware.adapters]
        adapters = (
            "-DSTAND_IN_STORES=" + ",".join("L" + _c(path) for path in paths),
            "-DSTAND_IN_ADAPTERS=" + " ".join(_c(ADAPTER_MARK + path + "\n") for path in paths),
        )
        built["dxcore"] = library("dxcore", "libdxcore.so", nothing, *adapters)
    return built


def _gcc(sources: tuple[str, ...], *flags: str) -> bytes:
    compiler = shutil.which("gcc")
    if compiler is None:
        raise StandInError(
            "the stand-in driver libraries cannot be compiled: there is no gcc on this machine",
            next_step="apt-get install gcc libc6-dev",
        )
    inputs = [path.read_bytes() for path in (*sorted(SOURCES.glob("*.h")), *(SOURCES / name for name in sources))]
    key = hashlib.sha256(repr((compiler, inputs, flags)).encode()).hexdigest()
    cached = _cache() / f"{Path(sources[0]).stem}-{key[:32]}"
    if cached.is_file():
        return cached.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        # -fno-ident and no build id: the bytes depend on the sources and the compiler only.
        command = [compiler, "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-ident"]
        command += ["-fvisibility=hidden", "-s", "-Wl,--build-id=none", "-I", "."]
        command += ["-o", str(out), *sources, *flags]
        done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            hint = "apt-get install gcc libc6-dev" if ".h: No such file" in done.stderr else ""
            raise StandInError(f"gcc did not compile the stand-in {sources[0]}: {done.stderr.strip()}", next_step=hint)
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
