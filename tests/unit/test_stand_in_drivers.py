"""The stand-in driver: what it exports, scenarios that change what it answers, and programs that people have."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wslgpu.errors import UsageError
from wslgpu.lab.stand_ins import driver, scenarios

SOURCES = driver.SOURCES
PROBE = Path(__file__).parents[2] / "wslgpu/probe/node"
LIBRARIES = {
    "cuda": "libcuda.so.1",
    "nvml": "libnvidia-ml.so.1",
    "nvenc": "libnvidia-encode.so.1",
    "nvcuvid": "libnvcuvid.so.1",
    "dxcore": "libdxcore.so",
}

pytestmark = pytest.mark.compiled


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy WSL2 tree; tests that write a scenario into it use :func:`answering`."""
    folder = tmp_path_factory.mktemp("driver")
    driver.build_driver_tree(folder, scenario="one-gpu", dxg="/dev/null")
    return folder


@pytest.fixture
def answering(tree: Path) -> Iterator[Path]:
    """The scenario file of ``tree``, to be written; gone afterwards."""
    path = tree / "lib" / scenarios.FILE_NAME
    yield path
    path.unlink(missing_ok=True)


# --- what is exported


def test_all_that_the_probe_calls_is_there(tree: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in PROBE.glob("*.py"))
    prefixes = {
        "cuda": "cu[A-Z]",
        "nvml": "nvml(?:Init|Shutdown|ErrorString|System|Device|EventSet|Gpm)",
        "nvenc": "NvEncodeAPI[A-Z]",
        "nvcuvid": "cuvid[A-Z]",
        "dxcore": "D3DKMT[A-Z]",
    }
    for library, prefix in prefixes.items():
        called = {name for name in re.findall(rf'"({prefix}\w*)"', text) if not name.endswith("_t")}
        assert called
        loaded = ctypes.CDLL(str(tree / "lib" / LIBRARIES[library]))
        assert {name for name in called if not hasattr(loaded, name)} == set(), library


def test_a_missing_function_is_missing(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="driver-r510", dxg="/dev/null")
    cuda = ctypes.CDLL(str(tmp_path / "lib/libcuda.so.1"))
    nvml = ctypes.CDLL(str(tmp_path / "lib/libnvidia-ml.so.1"))
    for name in scenarios.SCENARIOS["driver-r510"].missing:
        assert not hasattr(cuda, name)
        assert not hasattr(nvml, name)
    assert hasattr(cuda, "cuMemPrefetchAsync")
    assert hasattr(nvml, "nvmlDeviceGetDriverModel")


def test_the_libraries_load_on_a_node_that_is_older_than_the_machine_that_compiled_them(tree: Path) -> None:
    for file in LIBRARIES.values():
        versions = [int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", (tree / "lib" / file).read_bytes())]
        assert versions
        assert max(versions) <= 27, file  # memfd_create


# --- settings

CALL = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
value = ctypes.c_int(-7)
results = []
for step in sys.argv[2:]:
    name, *arguments = step.split(",")
    words = [ctypes.byref(value) if word == "&" else int(word) for word in arguments]
    results.append(getattr(library, name)(*words))
print(*results, value.value)
"""


def call(tree: Path, library: str, *steps: str, timeout_s: float = 20.0) -> list[int]:
    """Results of calls in a process of their own, and the last value that an "&" got."""
    command = [sys.executable, "-c", CALL, str(tree / "lib" / LIBRARIES[library]), *steps]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=timeout_s)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize(
    ("text", "library", "steps", "expected"),
    [
        ("", "cuda", ["cuInit,0", "cuDeviceGetAttribute,&,89,0"], [0, 0, 0]),
        (
            "cuda.attribute.CONCURRENT_MANAGED_ACCESS = 1\n",
            "cuda",
            ["cuInit,0", "cuDeviceGetAttribute,&,89,0"],
            [0, 0, 1],
        ),
        ("cuda.attribute.WARP_SIZE=refused", "cuda", ["cuInit,0", "cuDeviceGetAttribute,&,10,0"], [0, 1, -7]),
        ("# cuda.cuInit = 5\n\n  cuda.cuInit  =  100 \r\n", "cuda", ["cuInit,0"], [100, -7]),
        ("cuda.cuInit = 100\ncuda.cuInit = works\n", "cuda", ["cuInit,0"], [0, -7]),
        ("cuda.version = 0x2f1c\n", "cuda", ["cuDriverGetVersion,&"], [0, 12060]),
        ("cuda.version = -1\n", "cuda", ["cuDriverGetVersion,&"], [0, -1]),
        ("cuda.version = 12 060\n", "cuda", ["cuDriverGetVersion,&"], [0, 13000]),
        ("cuda.version = 12060\n", "cuda", ["cuDriverGetVersion,&"], [0, 12060]),
        ("gpus = 0\n", "cuda", ["cuInit,0"], [100, -7]),
        ("nonsense\n=\n", "cuda", ["cuInit,0"], [0, -7]),
        ("nvml.nvmlInit = 17\n", "nvml", ["nvmlInit_v2"], [17, -7]),
        ("nvml.nvmlInit = 17\nnvml.nvmlInit_v2 = 9\n", "nvml", ["nvmlInit_v2", "nvmlInit"], [9, 9, -7]),
        ("nvml.nvmlDeviceGetCount_v2 = 999\n", "nvml", ["nvmlInit_v2", "nvmlDeviceGetCount_v2,&"], [0, 999, -7]),
        ("nvenc.version = 0xc1\n", "nvenc", ["NvEncodeAPIGetMaxSupportedVersion,&"], [0, 0xC1]),
        ("dxcore.D3DKMTEnumAdapters2 = 0xC0000001\n", "dxcore", ["D3DKMTEnumAdapters2,0"], [-0x3FFFFFFF, -7]),
    ],
)
def test_the_file_beside_the_library_overrides_its_answers(
    tree: Path, answering: Path, text: str, library: str, steps: list[str], expected: list[int]
) -> None:
    answering.write_bytes(text.encode())
    assert call(tree, library, *steps) == expected


def test_a_segfault_and_a_hang_are_real(tree: Path, answering: Path) -> None:
    answering.write_text("cuda.cuInit = segfault\nnvml.nvmlInit = hang\nsmi.run = hang\n")
    with pytest.raises(subprocess.CalledProcessError) as crashed:
        call(tree, "cuda", "cuInit,0")
    assert crashed.value.returncode == -11
    with pytest.raises(subprocess.TimeoutExpired):
        call(tree, "nvml", "nvmlInit_v2", timeout_s=1.0)
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([tree / "lib/nvidia-smi"], capture_output=True, check=False, timeout=0.5)


def test_the_environment_changes_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSLGPU_STAND_IN_SCENARIO", "cuinit-no-device")
    assert call(tree, "cuda", "cuInit,0") == [0, -7]


# --- the scenarios' own text


def exported(tree: Path) -> set[str]:
    names: set[str] = set()
    for file in LIBRARIES.values():
        text = (tree / "lib" / file).read_bytes()
        names |= {name.decode() for name in re.findall(rb"[A-Za-z][A-Za-z0-9_]{3,}", text)}
    return names


def test_every_setting_is_one_that_the_sources_read(tree: Path) -> None:
    known = exported(tree)
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES.glob("*.[ch]"))
    attributes = set(re.findall(r'^    \{\d+, "(\w+)"', text, re.MULTILINE))
    every = [one.settings for one in scenarios.PLATFORMS.values()] + [
        one.settings for one in scenarios.SCENARIOS.values()
    ]
    for key in {key for settings in every for key in settings}:
        parts = key.split(".")
        if key.startswith("cuda.attribute."):
            assert parts[2] in attributes, key
        elif key.startswith("nvml.value."):
            assert f'"{parts[2]}"' in text or f'"{key}"' in text, key
        elif f'"{key}"' not in text and f'said("{parts[0]}", "{parts[1]}"' not in text:
            assert parts[0] in ("cuda", "nvml", "nvenc", "cuvid", "dxcore"), key
            assert {parts[1], f"{parts[1]}_v2", f"{parts[1]}_v3"} & (
                known | set(re.findall(r'ANSWER\("(\w+)"\)', text))
            ), key
            assert len(parts) == 2 or (f'"{parts[2]}"' in text or parts[2] == "corrupt"), key


def test_every_scenario_says_what_it_imitates_and_names_hardware_that_is_there() -> None:
    for name, scenario in scenarios.SCENARIOS.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert scenario.imitates
        assert "\n" not in scenario.imitates
        assert scenario.hardware in driver.SCENARIOS
        assert not scenario.source or scenario.source.startswith("https://")


def test_a_tree_of_linux_has_libraries_alone(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="two-gpus", dxg="/dev/null")
    driver.build_driver_tree(tmp_path, scenario="bare-metal-nvlink")
    assert [path.name for path in tmp_path.iterdir()] == ["lib"]
    assert not (tmp_path / "lib/libdxcore.so").exists()
    for path in (tmp_path / "lib").iterdir():
        assert b"wslgpu lab stand-in" in path.read_bytes()
    assert call(tmp_path, "cuda", "cuInit,0", "cuDeviceCanAccessPeer,&,0,1") == [0, 0, 1]


def test_a_scenario_is_written_into_a_tree_and_taken_out_again(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="hybrid", dxg="/dev/null")
    assert not list(tmp_path.rglob(scenarios.FILE_NAME))
    scenarios.write_scenario(tmp_path, "pinned-limit-512m")
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob(scenarios.FILE_NAME))
    assert written == [
        f"drivers/nv_dispi.inf_amd64_0123456789abcdef/{scenarios.FILE_NAME}",
        f"lib/{scenarios.FILE_NAME}",
    ]
    assert "cuda.pinned_limit = 536870912" in (tmp_path / written[1]).read_text()
    scenarios.write_scenario(tmp_path, "hybrid")
    assert not list(tmp_path.rglob(scenarios.FILE_NAME))
    with pytest.raises(UsageError, match="lacks functions or files"):
        scenarios.write_scenario(tmp_path, "driver-r510")
    with pytest.raises(UsageError, match="no driver scenario"):
        scenarios.write_scenario(tmp_path, "driver-r9")
    with pytest.raises(driver.StandInError, match="no driver scenario"):
        driver.build_driver_tree(tmp_path, scenario="driver-r9")


# --- programs that people have


def test_nvidias_own_python_binding_is_served(tree: Path) -> None:
    pytest.importorskip("pynvml")
    program = """
import pynvml as n
n.nvmlInit()
d = n.nvmlDeviceGetHandleByIndex(0)
print(n.nvmlSystemGetDriverVersion(), n.nvmlDeviceGetName(d))
print(n.nvmlDeviceGetMemoryInfo(d, version=n.nvmlMemory_v2).total >> 20, n.nvmlDeviceGetUtilizationRates(d).gpu)
print(n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(d))), n.nvmlDeviceGetPciInfo(d).busId)
for ask in (n.nvmlDeviceGetMinorNumber, n.nvmlDeviceGetMigMode, n.nvmlDeviceGetComputeRunningProcesses):
    try:
        ask(d)
    except n.NVMLError as error:
        print(error)
n.nvmlShutdown()
"""
    said = run_with(tree, [sys.executable, "-c", program])
    assert said.splitlines() == [
        "581.80 NVIDIA L20 (stand-in)",
        "46068 0",
        "0 00000000:01:00.0",
        *["Not Supported"] * 3,
    ]


def test_nvitop_is_served(tree: Path) -> None:
    pytest.importorskip("nvitop")
    said = run_with(tree, [sys.executable, "-m", "nvitop", "--once", "--ascii"])
    assert re.search(r"Driver Version: 581\.80 +CUDA Driver Version: 13\.0", said)
    assert "L20 (stand-in)" in said
    assert re.search(r"512\.0MiB / 44\.99GiB", said)


def run_with(tree: Path, command: list[str]) -> str:
    """What a program prints that finds the tree's libraries first."""
    environment = {"LD_LIBRARY_PATH": str(tree / "lib"), "PATH": "/usr/bin:/bin", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60).stdout
