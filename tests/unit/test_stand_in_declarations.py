"""The stand-in driver's C against the drivers' own declarations, where those are installed."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from wslgpu.lab.stand_ins import driver, scenarios

SOURCES = driver.SOURCES

pytestmark = pytest.mark.compiled


def nvidia_headers() -> Path | None:
    """The include folder that nvidia-cuda-runtime and nvidia-nvml-dev share."""
    spec = importlib.util.find_spec("nvidia")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for header in Path(place).glob("*/include/nvml.h"):
            if (header.parent / "cuda.h").is_file():
                return header.parent
    return None


def needed_headers(library: str) -> Path:
    """The folder to search; skips where the headers are not installed."""
    if library in ("cuda", "nvml"):
        folder = nvidia_headers()
        if folder is None:
            pytest.skip("nvidia-cuda-runtime and nvidia-nvml-dev are not installed")
        return folder
    if not Path("/usr/include/ffnvcodec/nvEncodeAPI.h").is_file():
        pytest.skip("libffmpeg-nvenc-dev is not installed")
    return Path("/usr/include")


def compiled(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    flags = driver.device_flags(driver.SCENARIOS["one-gpu"].gpus, "wsl2", "581.80", "/dev/null")
    command = ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", str(folder), *flags, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def genuine(library: str) -> list[str]:
    """Flags for NVIDIA's own declarations: what they do not declare, or declare otherwise, does not compile."""
    return ["-DSTAND_IN_GENUINE_HEADERS", "-Wmissing-prototypes", "-isystem", str(needed_headers(library))]


@pytest.mark.parametrize("library", ["cuda", "nvml", "nvenc", "nvcuvid"])
def test_the_sources_agree_with_the_genuine_declarations(library: str) -> None:
    done = compiled(SOURCES, ["-fsyntax-only", *genuine(library), *driver.library_sources(library)])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("library", "ours", "wrong"),
    [
        ("cuda", "API cuInit(unsigned flags)", "API cuInit(unsigned long flags)"),
        ("cuda", "API cuDeviceGetCount(", "API cuDevicesGetCount("),
        ("nvml", "API nvmlDeviceGetCount_v2(unsigned *n)", "API nvmlDeviceGetCount_v2(int *n)"),
        (
            "nvenc",
            "static NVENCSTATUS guid_count(void *encoder, uint32_t *count)",
            "static NVENCSTATUS guid_count(int *count)",
        ),
    ],
)
def test_a_wrong_declaration_does_not_compile(tmp_path: Path, library: str, ours: str, wrong: str) -> None:
    copy = tmp_path / "src"
    shutil.copytree(SOURCES, copy)
    path = copy / f"{library}.c"
    text = path.read_text(encoding="utf-8")
    assert text.count(ours) == 1
    path.write_text(text.replace(ours, wrong), encoding="utf-8")
    done = compiled(copy, ["-fsyntax-only", *genuine(library), path.name])
    assert done.returncode != 0


def own_declarations(library: str) -> str:
    """The part of a library's declarations that stands in for the headers."""
    name = f"{library}_api.h" if library in ("cuda", "nvml") else f"{library}.c"
    text = (SOURCES / name).read_text(encoding="utf-8")
    return text.partition("#else\n")[2].partition("#endif")[0]


#: The fields of every structure whose inside the stand-in reads or writes.
STRUCTURES = {
    "cuda": {
        "CUuuid": "bytes",
        "CUipcMemHandle": "reserved",
        "CUipcEventHandle": "reserved",
        "CUmemLocation": "type id",
        "CUmemAccessDesc": "location flags",
        "CUmemAllocationProp": "type requestedHandleTypes location win32HandleMetaData allocFlags",
        "CUmemPoolProps": "allocType handleTypes location win32SecurityAttributes maxSize",
    },
    "nvml": {
        "nvmlMemory_t": "total free used",
        "nvmlMemory_v2_t": "version total reserved free used",
        "nvmlUtilization_t": "gpu memory",
        "nvmlPciInfo_t": "busIdLegacy domain bus device pciDeviceId pciSubSystemId busId",
        "nvmlBAR1Memory_t": "bar1Total bar1Free bar1Used",
        "nvmlProcessInfo_v1_t": "pid usedGpuMemory",
        "nvmlProcessInfo_v2_t": "pid usedGpuMemory gpuInstanceId computeInstanceId",
        "nvmlProcessUtilizationSample_t": "pid timeStamp smUtil memUtil encUtil decUtil",
        "nvmlValue_t": "dVal uiVal ullVal",
        "nvmlFieldValue_t": "fieldId scopeId timestamp latencyUsec valueType nvmlReturn value",
        "nvmlTemperature_t": "version sensorType temperature",
        "nvmlEventData_t": "device eventType eventData gpuInstanceId computeInstanceId",
        "nvmlGpmSupport_t": "version isSupportedDevice",
    },
    "nvenc": {
        "GUID": "Data1 Data2 Data3 Data4",
        "NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS": "version deviceType device reserved apiVersion reserved1 reserved2",
        "NV_ENCODE_API_FUNCTION_LIST": "version reserved nvEncOpenEncodeSession nvEncGetEncodeGUIDCount "
        "nvEncGetEncodeGUIDs nvEncDestroyEncoder nvEncInvalidateRefFrames nvEncOpenEncodeSessionEx "
        "nvEncGetLastErrorString",
    },
    "nvcuvid": {
        "CUVIDDECODECAPS": "eCodecType eChromaFormat nBitDepthMinus8 reserved1 bIsSupported nNumNVDECs "
        "nOutputFormatMask nMaxWidth nMaxHeight nMaxMBCount nMinWidth nMinHeight bIsHistogramSupported "
        "nCounterBitDepth nMaxHistogramBins reserved3",
    },
}


@pytest.mark.parametrize("library", list(STRUCTURES))
def test_our_declarations_have_the_genuine_sizes_places_and_numbers(tmp_path: Path, library: str) -> None:
    own = own_declarations(library)
    numbers = re.findall(r"\b(\w+) = (?:0x)?\d+\b", own) + re.findall(r"^#define (\w+) ", own, re.MULTILINE)
    lines = [f'printf("{name} %lld\\n", (long long)({name}));' for name in numbers]
    for structure, fields in STRUCTURES[library].items():
        assert f"}} {structure};" in own
        lines.append(f'printf("{structure} %zu\\n", sizeof({structure}));')
        lines += [
            f'printf("{structure}.{field} %zu %zu\\n", offsetof({structure}, {field}), '
            f"sizeof((({structure} *)0)->{field}));"
            for field in fields.split()
        ]
    if library == "nvenc":
        lines += [
            f'for (int i = 0; i < 16; i++) printf("{name} %d\\n", ((unsigned char *)&{name})[i]);'
            for name in ("NV_ENC_CODEC_H264_GUID", "NV_ENC_CODEC_HEVC_GUID")
        ]
    program = tmp_path / "layout.c"
    include = f"{library}_api.h" if library in ("cuda", "nvml") else f"{library}.c"
    program.write_text(
        f'#include <stdio.h>\n#include <stddef.h>\n#include "{include}"\nint main(void) {{\n'
        + "\n".join(lines)
        + "\nreturn 0; }\n"
    )
    said = []
    for flags in ([], genuine(library)):
        done = compiled(SOURCES, [*flags, "-Wno-unused", "-o", str(tmp_path / "layout"), str(program), "scenario.c"])
        assert done.returncode == 0, done.stderr
        said.append(
            subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True).stdout.splitlines()
        )
    assert len(said[0]) >= len(lines) > 4
    assert said[0] == said[1]


def structures_of(text: str) -> set[str]:
    """Names of the structures and unions that are declared with their fields."""
    return {
        name
        for name in re.findall(r"\}\s*(\w+);", text)
        if re.search(rf"(struct|union) \{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}} {name};", text)
    }


@pytest.mark.parametrize("library", list(STRUCTURES))
def test_every_structure_of_ours_is_compared(library: str) -> None:
    named = structures_of(own_declarations(library)) - {"allocFlags"}
    assert named == set(STRUCTURES[library])


def cuda_versions() -> dict[str, int]:
    """The CUDA version in which each function under its exported name came, from cudaTypedefs.h."""
    text = (needed_headers("cuda") / "cudaTypedefs.h").read_text(encoding="utf-8")
    found: dict[str, list[int]] = {}
    for name, version in re.findall(r"\*PFN_(cu\w+?)_v(\d+)(?:_ptds|_ptsz)?\)", text):
        found.setdefault(name, []).append(int(version))
    exported = {}
    for name, versions in found.items():
        for number, version in enumerate(sorted(set(versions)), start=1):
            exported[name if number == 1 else f"{name}_v{number}"] = version
    return exported


@pytest.mark.parametrize("name", ["driver-r510", "driver-r525", "driver-r560"])
def test_an_older_driver_lacks_what_came_later(tmp_path: Path, name: str) -> None:
    scenario = scenarios.SCENARIOS[name]
    driver.build_driver_tree(tmp_path, scenario="one-gpu")
    version = int(scenario.settings["cuda.version"])
    newer = {function for function, since in cuda_versions().items() if since > version}
    lacking = {function for function in newer if hasattr(ctypes.CDLL(str(tmp_path / "lib/libcuda.so.1")), function)}
    assert lacking == {function for function in scenario.missing if function.startswith("cu")}
