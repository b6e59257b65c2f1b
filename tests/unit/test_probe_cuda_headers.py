"""The probe's structures and numbers against the genuine headers, asked through gcc: sizes, offsets and values."""

from __future__ import annotations

import ast
import ctypes
import functools
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from wslgpu.probe.node import (
    codec_structures,
    cuda_kernel,
    cuda_numbers,
    cuda_structures,
    dxcore,
    nvml_library,
    nvml_numbers,
)

pytestmark = pytest.mark.compiled

CUDA_INCLUDE = Path(sysconfig.get_path("purelib")) / "nvidia" / "cu13" / "include"
CODEC_INCLUDE = Path("/usr/include/ffnvcodec")
DIRECTX_INCLUDE = Path("/usr/include/wsl/stubs")

CUDA = '#include "cuda.h"'
NVML = '#include "nvml.h"'
NVML_ALL = f"#define NVML_NO_UNVERSIONED_FUNC_DEFS\n{NVML}"
ENCODER = "#include <ffnvcodec/nvEncodeAPI.h>"
WINDOWS = '#include "/usr/include/wsl/stubs/basetsd.h"'
DECODER = "#include <ffnvcodec/dynlink_cuda.h>\n#include <ffnvcodec/dynlink_cuviddec.h>"

#: Structures of which the probe knows the size alone: all of it is zero when it calls.
SIZE_ONLY = {"CUcheckpointCheckpointArgs", "CUcheckpointRestoreArgs"}
#: Members of ours that stand for several of the header's, or for the room behind them.
OWN_MEMBERS = {"between1", "between2", "between3", "after"}
FUNCTION = re.compile(r"cu[A-Z][A-Za-z0-9]+(_v2)?")
#: What old drivers have instead of a function of today, and what another header than cuda.h declares.
ELSEWHERE = {"cuMemPrefetchAsync", "cuGraphInstantiate_v2", "cuGLGetDevices_v2"}


def need(file: Path, package: str) -> None:
    if not file.is_file():
        pytest.fail(f"{file} is missing: apt-get install {package}")


def need_wheel(name: str, package: str) -> None:
    if not (CUDA_INCLUDE / name).is_file():
        pytest.fail(f"{CUDA_INCLUDE / name} is missing: install the development dependency {package} (make setup)")


def gcc(*arguments: str, source: str) -> str:
    """What gcc prints; its own words when it does not compile the source."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.fail("gcc is missing: apt-get install gcc libc6-dev")
    command = [compiler, "-x", "c", "-w", "-I", str(CUDA_INCLUDE), *arguments]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def asked(include: str, expressions: tuple[str, ...]) -> tuple[int, ...]:
    """What a C program prints for these expressions."""
    lines = "\n".join(f'    printf("%lld\\n", (long long)({text}));' for text in expressions)
    source = f"#include <stddef.h>\n#include <stdio.h>\n{include}\nint main(void) {{\n{lines}\n    return 0;\n}}\n"
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program"
        gcc("-o", str(program), "-", source=source)
        printed = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return tuple(int(line) for line in printed.split())


def ask(include: str, expressions: Iterable[str]) -> dict[str, int]:
    texts = tuple(expressions)
    values = asked(include, texts)
    assert len(values) == len(texts)
    return {text: values[index] for index, text in enumerate(texts)}


def layout(structures: dict[str, type[ctypes.Structure]]) -> dict[str, int]:
    """Every size and offset as our structures have it, by the C expression that asks for the header's."""
    wanted: dict[str, int] = {}
    for name, structure in structures.items():
        wanted[f"sizeof({name})"] = ctypes.sizeof(structure)
        if name in SIZE_ONLY:
            continue
        for field in structure._fields_:
            member = field[0]
            if member not in OWN_MEMBERS:
                wanted[f"offsetof({name}, {member})"] = getattr(structure, member).offset
                wanted[f"sizeof((({name} *)0)->{member})"] = getattr(structure, member).size
    return wanted


def test_cuda_structures_are_laid_out_as_in_cuda_h() -> None:
    need_wheel("cuda.h", "nvidia-cuda-runtime")
    wanted = layout(cuda_structures.STRUCTURES)
    assert ask(CUDA, wanted) == wanted


def test_cuda_numbers_are_those_of_cuda_h() -> None:
    need_wheel("cuda.h", "nvidia-cuda-runtime")
    wanted = dict(cuda_numbers.RESULTS)
    wanted.update({f"CU_DEVICE_ATTRIBUTE_{name}": number for name, number in cuda_numbers.ATTRIBUTES.items()})
    wanted.update(cuda_structures.FLAGS)
    assert ask(CUDA, wanted) == wanted


def test_every_result_of_cuda_h_has_a_name() -> None:
    """A result that the header gained is found here, not by a user."""
    need_wheel("cuda.h", "nvidia-cuda-runtime")
    text = (CUDA_INCLUDE / "cuda.h").read_text(encoding="utf-8")
    body = text[text.index("typedef enum cudaError_enum") : text.index("} CUresult;")]
    names = {line.split("=")[0].strip() for line in body.splitlines() if line.strip().startswith("CUDA_")}
    assert names == set(cuda_numbers.RESULTS)


def called_functions(pattern: re.Pattern[str] = FUNCTION) -> set[str]:
    """Every name of the driver API, or of another pattern, that the probe's files quote."""
    found: set[str] = set()
    for path in Path(cuda_structures.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.fullmatch(node.value):
                found.add(node.value)
    return found


def test_functions_are_called_by_the_names_that_cuda_h_gives_the_linker() -> None:
    """A program's cuMemAlloc is the library's cuMemAlloc_v2; the bare name there is another, older function."""
    need_wheel("cuda.h", "nvidia-cuda-runtime")
    functions = sorted(called_functions() - ELSEWHERE)
    assert len(functions) > 60
    bare = [name.removesuffix("_v2") for name in functions]
    text = "#define NAME_(name) #name\n#define NAME(name) NAME_(name)\n"
    lines = "\n".join(f"mark NAME({name})" for name in bare)
    printed = gcc("-E", "-P", "-", source=f"{text}{CUDA}\n{lines}\n")
    mapped = [line.split('"')[1] for line in printed.splitlines() if line.startswith("mark ")]
    assert mapped == functions


def test_every_function_that_is_called_is_declared(tmp_path: Path) -> None:
    """cuda.h's own declarations, taken by address: a name that it does not have does not compile."""
    need_wheel("cuda.h", "nvidia-cuda-runtime")
    bare = sorted(name.removesuffix("_v2") for name in called_functions() - ELSEWHERE)
    lines = ",\n".join(f"(void *){name}" for name in bare)
    gcc("-c", "-o", str(tmp_path / "out.o"), "-", source=f"{CUDA}\nvoid *all[] = {{\n{lines}\n}};\n")


@pytest.mark.skipif(shutil.which("ptxas") is None, reason="no ptxas: it comes with a CUDA toolkit")
@pytest.mark.parametrize("architecture", ["sm_75", "sm_90", "sm_120"])
def test_the_kernels_are_compiled_by_nvidia_s_assembler(architecture: str, tmp_path: Path) -> None:
    """CUDA 13's oldest architecture and the newest ones; the driver has the same assembler in it."""
    source = tmp_path / "kernels.ptx"
    source.write_bytes(cuda_kernel.PTX)
    command = ["ptxas", f"-arch={architecture}", "-o", str(tmp_path / "out"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_spin_kernel_s_mark_is_the_one_that_is_looked_for() -> None:
    assert f"mov.u32 %mark, {cuda_kernel.MARK};".encode() in cuda_kernel.PTX


def test_nvml_structures_are_laid_out_as_in_nvml_h() -> None:
    need_wheel("nvml.h", "nvidia-nvml-dev")
    wanted = layout(nvml_numbers.STRUCTURES)
    assert ask(NVML, wanted) == wanted


def test_nvml_numbers_are_those_of_nvml_h() -> None:
    need_wheel("nvml.h", "nvidia-nvml-dev")
    wanted = {**nvml_numbers.RETURNS, **nvml_numbers.CONSTANTS}
    wanted["nvmlMemory_v2"] = nvml_numbers.version_of(nvml_numbers.MemoryV2, 2)
    wanted["nvmlTemperature_v1"] = nvml_numbers.version_of(nvml_numbers.Temperature, 1)
    assert ask(NVML, wanted) == wanted


def test_every_nvml_function_that_is_called_is_declared(tmp_path: Path) -> None:
    need_wheel("nvml.h", "nvidia-nvml-dev")
    functions = sorted(
        called_functions(re.compile(r"nvml(Init|Shutdown|System|Device|Event|Gpm)[A-Za-z0-9]*(_v[23])?"))
    )
    functions = [
        name for name in functions if name not in nvml_numbers.CONSTANTS and name not in nvml_numbers.STRUCTURES
    ]
    assert len(functions) > 45
    lines = ",\n".join(f"(void *){name}" for name in functions)
    gcc("-c", "-o", str(tmp_path / "out.o"), "-", source=f"{NVML_ALL}\nvoid *all[] = {{\n{lines}\n}};\n")


def test_every_nvml_result_has_a_name() -> None:
    need_wheel("nvml.h", "nvidia-nvml-dev")
    text = (CUDA_INCLUDE / "nvml.h").read_text(encoding="utf-8")
    body = text[text.index("typedef enum nvmlReturn_enum") : text.index("} nvmlReturn_t;")]
    names = {line.split("=")[0].strip() for line in body.splitlines() if line.strip().startswith("NVML_")}
    assert names == set(nvml_numbers.RETURNS)
    assert nvml_library.NOT_THERE == 13


def test_encoder_structures_are_laid_out_as_in_nvencodeapi_h() -> None:
    need(CODEC_INCLUDE / "nvEncodeAPI.h", "libffmpeg-nvenc-dev")
    structures = {
        name: structure for name, structure in codec_structures.STRUCTURES.items() if name != "CUVIDDECODECAPS"
    }
    wanted = layout(structures)
    assert ask(ENCODER, wanted) == wanted


def test_encoder_numbers_are_those_of_nvencodeapi_h() -> None:
    need(CODEC_INCLUDE / "nvEncodeAPI.h", "libffmpeg-nvenc-dev")
    wanted = {name: number for number, name in enumerate(codec_structures.NVENC_STATUS)}
    wanted["NV_ENC_DEVICE_TYPE_CUDA"] = codec_structures.DEVICE_TYPE_CUDA
    major, minor = asked(ENCODER, ("NVENCAPI_MAJOR_VERSION", "NVENCAPI_MINOR_VERSION"))
    api = codec_structures.api_version(major, minor)
    wanted["NVENCAPI_VERSION"] = api
    wanted["(long long)NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER"] = codec_structures.structure_version(api, 1)
    wanted["(long long)NV_ENCODE_API_FUNCTION_LIST_VER"] = codec_structures.structure_version(api, 2)
    assert ask(ENCODER, wanted) == wanted


@pytest.mark.parametrize("name", ["h264", "hevc"])
def test_codecs_are_told_by_the_header_s_guids(name: str) -> None:
    """AV1's GUID is not in the headers of SDK 11.1 that Debian has."""
    need(CODEC_INCLUDE / "nvEncodeAPI.h", "libffmpeg-nvenc-dev")
    guid = f"NV_ENC_CODEC_{name.upper()}_GUID"
    parts = asked(ENCODER, tuple(f"((unsigned char *)&{guid})[{index}]" for index in range(16)))
    assert codec_structures.ENCODERS[codec_structures.Guid.from_buffer_copy(bytes(parts)).text()] == name


def test_decoder_structure_and_numbers_are_those_of_cuviddec_h() -> None:
    need(CODEC_INCLUDE / "dynlink_cuviddec.h", "libffmpeg-nvenc-dev")
    wanted = layout({"CUVIDDECODECAPS": codec_structures.DecoderCapabilities})
    wanted["cudaVideoCodec_H264"] = codec_structures.CODEC_H264
    wanted["cudaVideoCodec_HEVC"] = codec_structures.CODEC_HEVC
    wanted["cudaVideoCodec_VP9"] = codec_structures.CODEC_VP9
    wanted["cudaVideoCodec_AV1"] = codec_structures.CODEC_AV1
    wanted["cudaVideoChromaFormat_420"] = codec_structures.CHROMA_420
    assert ask(DECODER, wanted) == wanted


def test_dxcore_s_types_are_those_of_the_windows_adapter_headers() -> None:
    """The headers have LUID and the width of WCHAR and HRESULT on Linux; the D3DKMT structures are not in them."""
    need(DIRECTX_INCLUDE / "basetsd.h", "directx-headers-dev")
    kinds = dxcore.structures()
    wanted = layout({"LUID": kinds["LUID"]})
    registry = kinds["D3DDDI_QUERYREGISTRY_INFO"]
    wanted["260 * sizeof(WCHAR)"] = registry.ValueName.size
    wanted["sizeof(ULONG)"] = registry.ValueType.size
    assert ask(WINDOWS, wanted) == wanted


def test_dxcore_s_structures_have_the_documented_sizes() -> None:
    """By hand from d3dkmthk.h, for 64 bits and a WCHAR of four bytes."""
    kinds = dxcore.structures()
    sizes = {name: ctypes.sizeof(kind) for name, kind in kinds.items()}
    assert sizes["D3DKMT_ADAPTERINFO"] == 20
    assert sizes["D3DKMT_ENUMADAPTERS2"] == 16
    assert sizes["D3DKMT_QUERYADAPTERINFO"] == 24
    assert kinds["D3DDDI_QUERYREGISTRY_INFO"].OutputString.offset == 24 + 260 * 4
    assert kinds["D3DDDI_QUERYREGISTRY_INFO"].OutputString.offset % 8 == 0
