"""Codecs, adapters, NCCL, OpenCL and benchmarks: against the stand-in driver, and libraries made for the test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.probe_driver import observed, tree, value
from wslgpu.probe.node import bench, bench_cuda, bench_files, codec
from wslgpu.verdict.shape import shape_of

pytestmark = pytest.mark.compiled


def compiled(folder: Path, name: str, source: str) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.fail("gcc is missing: apt-get install gcc libc6-dev")
    command = [compiler, "-x", "c", "-w", "-shared", "-fPIC", "-o", str(folder / name), "-"]
    subprocess.run(command, input=source, text=True, check=True)
    return folder


# codecs


def test_codec_libraries_are_found_and_loaded() -> None:
    libraries = value(observed("codec", scenario="one-gpu"), "codec.libraries")
    assert set(libraries) == set(codec.LIBRARIES)
    folder = tree("one-gpu")
    for name, row in libraries.items():
        assert row == {"path": str(folder / name), "loads": True, "error": ""}


def test_codec_libraries_that_are_missing_say_so() -> None:
    found = observed("cuda", "codec", scenario="codecs-missing", level="standard")
    row = value(found, "codec.libraries")["libnvidia-encode.so.1"]
    assert (row["path"], row["loads"]) == (None, False)
    assert "cannot open shared object file" in row["error"]
    assert found["codec.nvenc.version"]["status"] == "unknown"
    assert found["codec.nvenc.session"]["status"] == "unknown"
    assert "libnvcuvid.so.1" in found["codec.nvdec.caps"]["reason"]


def test_a_codec_library_of_no_length_is_named_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "libnvcuvid.so.1").touch()
    row = value(observed("codec", libraries=tmp_path), "codec.libraries")["libnvcuvid.so.1"]
    assert row["path"] == str(tmp_path / "libnvcuvid.so.1")
    assert row["loads"] is False
    assert "file too short" in row["error"]


def test_a_session_is_opened_and_its_codecs_named() -> None:
    found = observed("cuda", "codec", scenario="one-gpu", level="standard")
    assert value(found, "codec.nvenc.version") == {"result": 0, "name": "NV_ENC_SUCCESS", "major": 13, "minor": 0}
    assert value(found, "codec.nvenc.session")["codecs"] == ["h264", "hevc", "av1"]
    assert value(found, "codec.nvdec.caps") == {"h264": True, "hevc": True, "av1": True, "vp9": True}


def test_an_older_board_and_an_older_interface() -> None:
    found = observed("cuda", "codec", scenario="no-av1", level="standard")
    assert value(found, "codec.nvenc.session")["codecs"] == ["h264", "hevc"]
    assert value(found, "codec.nvdec.caps") == {"h264": True, "hevc": True, "av1": False, "vp9": True}
    old = observed("cuda", "codec", scenario="driver-r510", level="standard")
    assert value(old, "codec.nvenc.version")["minor"] == 1
    assert value(old, "codec.nvenc.session")["result"] == 0, "asked for the interface that it has"


def test_a_board_without_an_encoder() -> None:
    found = observed("cuda", "codec", scenario="encoder-refused", level="standard")
    assert value(found, "codec.nvenc.session") == {"result": 2, "name": "NV_ENC_ERR_UNSUPPORTED_DEVICE", "codecs": []}


# adapters


def test_adapters_come_with_their_stores() -> None:
    found = value(observed("dxcore", scenario="hybrid"), "dxcore.adapters")
    assert (found["result"], found["count"]) == (0, 2)
    stores = [row["driver_store"].split("/")[-1].split("_")[0] for row in found["adapters"]]
    assert stores == ["iigd", "nv"]
    assert all(row["wddm_version"] == 3200 for row in found["adapters"])


def test_adapters_that_are_refused_or_not_there() -> None:
    gone = value(observed("dxcore", scenario="store-gone"), "dxcore.adapters")
    assert (gone["result"] & 0xFFFFFFFF, gone["count"], gone["adapters"]) == (0xC0000001, 0, [])
    missing = observed("dxcore", scenario="no-dxcore")["dxcore.adapters"]
    assert missing["status"] == "unknown"
    assert "libdxcore.so" in missing["reason"]


# NCCL and OpenCL

NCCL = "int ncclGetVersion(int *version) { *version = 22703; return 0; }\n"
OPENCL = """
#include <string.h>
#include <stddef.h>
int clGetPlatformIDs(unsigned room, void **rows, unsigned *count) {
    if (ANSWER) return ANSWER;
    *count = 2;
    for (unsigned i = 0; i < 2 && i < room; i++) rows[i] = (void *)(0x123456789000 + i);
    return 0;
}
int clGetPlatformInfo(void *platform, unsigned what, size_t room, char *text, size_t *length) {
    if (what != 0x0902 || room < 16) return -30;
    strcpy(text, platform == (void *)0x123456789000 ? "NVIDIA CUDA" : "rusticl");
    return 0;
}
"""


def test_nccl_s_version_and_path(tmp_path: Path) -> None:
    found = value(observed("nccl", libraries=compiled(tmp_path, "libnccl.so.2", NCCL)), "nccl.library")
    assert found == {"path": str(tmp_path / "libnccl.so.2"), "version": 22703}


def test_nccl_that_is_not_there_is_null_and_one_that_is_broken_is_not(tmp_path: Path) -> None:
    assert value(observed("nccl"), "nccl.library") is None
    (tmp_path / "libnccl.so.2").write_bytes(b"x")
    assert observed("nccl", libraries=tmp_path)["nccl.library"]["status"] == "unknown"


def test_opencl_platforms(tmp_path: Path) -> None:
    folder = compiled(tmp_path, "libOpenCL.so.1", OPENCL.replace("ANSWER", "0"))
    found = value(observed("opencl", libraries=folder, level="standard"), "opencl.platforms")
    assert found == {"result": 0, "names": ["NVIDIA CUDA", "rusticl"]}
    assert observed("opencl", libraries=folder) == {}, "nothing at quick"


def test_an_opencl_loader_without_drivers(tmp_path: Path) -> None:
    folder = compiled(tmp_path, "libOpenCL.so.1", OPENCL.replace("ANSWER", "-1001"))
    assert value(observed("opencl", libraries=folder, level="standard"), "opencl.platforms") == {
        "result": -1001,
        "names": [],
    }
    assert value(observed("opencl", level="standard"), "opencl.platforms") is None


# benchmarks


def test_every_benchmark_has_a_number() -> None:
    found = observed("cuda", "bench", scenario="memory-below-free", level="full")
    for name in bench.CUDA_IDS[1:6]:
        row = value(found, name)
        assert row["bytes_per_s"] > 0
        assert row["bytes"] in (bench_cuda.COPY_BYTES, bench_cuda.DEVICE_COPY_BYTES)
    latency = value(found, "bench.launch_latency")
    assert latency["runs"] >= 200
    assert latency["median_us"] > 0
    granted = value(found, "bench.device_allocatable")
    assert granted == {"granted_bytes": 1 << 30, "free_bytes": (46068 - 512) << 20}
    local = value(found, "bench.read_local")
    assert local["bytes"] == 64 << 20
    assert local["filesystem"]


def test_benchmarks_are_of_the_level_full_alone() -> None:
    assert observed("bench", level="standard") == {}


def test_the_middle_and_the_spread() -> None:
    assert bench_cuda.median([3.0, 1.0, 2.0]) == 2.0
    assert bench_cuda.median([4.0, 1.0, 2.0, 3.0]) == 2.5
    assert bench_cuda.spread([float(number) for number in range(101)]) == 50.0
    assert bench_cuda.spread([5.0]) == 0.0


def test_the_largest_file_is_found_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x" * 10)
    (tmp_path / "large").write_bytes(b"x" * 1000)
    (tmp_path / "link").symlink_to("/proc/kcore")
    (tmp_path / "folder").mkdir()
    assert bench_files.largest_file((str(tmp_path / "none"), str(tmp_path))) == str(tmp_path / "large")
    assert bench_files.largest_file((str(tmp_path / "folder"),)) == ""


@pytest.mark.parametrize("scenario", ["one-gpu", "bare-metal-nvlink", "driver-r510", "store-gone", ""])
def test_every_value_is_of_the_shape_in_the_table(scenario: str) -> None:
    found = observed("cuda", "nvml", "codec", "dxcore", "nccl", "opencl", scenario=scenario, level="standard")
    for name, row in found.items():
        shape = shape_of(name)
        if row["status"] == "observed":
            assert shape.has(row["value"]) or (row["value"] is None and shape.nullable), (name, row["value"])
