"""The lab's stand-ins of driver, packages and Windows against what the genuine ones do (fixtures/captures)."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.captures import captured_store
from wslgpu.lab.stand_ins import driver, toolkit, windows
from wslgpu.lab.stand_ins.node import NOTICE, cdi

pytestmark = pytest.mark.compiled


needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
needs_dpkg = pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("dpkg-deb") is None, reason="no gcc or dpkg-deb on this machine"
)


# --- the driver tree


@needs_gcc
@pytest.mark.parametrize("scenario", list(driver.SCENARIOS))
def test_the_tree_has_the_captured_store_and_one_truth(tmp_path: Path, scenario: str) -> None:
    driver.build_driver_tree(tmp_path, scenario=scenario, dxg="/dev/null")
    store = tmp_path / "drivers/nv_dispi.inf_amd64_0123456789abcdef"
    assert sorted(path.name for path in store.iterdir()) == sorted(captured_store())
    for name in driver.CUDA_NAMES:
        path = tmp_path / "lib" / name
        assert path.is_file()
        assert not path.is_symlink()
    for path in [*(tmp_path / "lib").iterdir(), *store.iterdir()]:
        assert b"wslgpu lab stand-in" in path.read_bytes(), path

    gpus = driver.SCENARIOS[scenario].gpus
    lines = smi(tmp_path, "--query-gpu=name,uuid,memory.total", "--format=csv,noheader,nounits").splitlines()
    assert lines == [f"{gpu.name}, {gpu.uuid}, {gpu.total_mib}" for gpu in gpus]
    assert cuda_names(tmp_path / "lib/libcuda.so.1") == [gpu.name for gpu in gpus]
    assert all("(stand-in)" in gpu.name for gpu in gpus)


def smi(tree: Path, *arguments: str, status: int = 0) -> str:
    done = subprocess.run([tree / "lib/nvidia-smi", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == status, done
    return done.stdout


def cuda_names(path: Path) -> list[str]:
    library = ctypes.CDLL(str(path))
    assert library.cuDeviceGetCount(ctypes.byref(ctypes.c_int())) == 3
    assert library.cuInit(0) == 0
    count = ctypes.c_int()
    assert library.cuDeviceGetCount(ctypes.byref(count)) == 0
    names = []
    for index in range(count.value):
        name = ctypes.create_string_buffer(100)
        assert library.cuDeviceGetName(name, 100, index) == 0
        names.append(name.value.decode())
    version = ctypes.c_int()
    assert library.cuDriverGetVersion(ctypes.byref(version)) == 0
    assert version.value == 13000
    assert library.cuModuleLoadData(ctypes.byref(ctypes.c_void_p()), b"") == 209
    assert library.cuLaunchKernel() == 801
    return names


@needs_gcc
def test_nvidia_smi_says_what_the_genuine_one_says(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="two-gpus", driver_version="582.10", dxg="/dev/null")
    assert re.search(r"NVIDIA-SMI 580\.95\.05 +Driver Version: 582\.10 +CUDA Version: 13\.0", smi(tmp_path))
    assert smi(tmp_path, "-L").splitlines()[1] == (
        "GPU 1: NVIDIA L20 (stand-in) (UUID: GPU-02111111-2222-3333-4444-555555555555)"
    )
    full = smi(tmp_path, "-q")
    assert re.search(r"Driver Model\n +Current +: WDDM", full)
    assert re.search(r"Minor Number +: N/A", full)
    header = smi(tmp_path, "--query-gpu=memory.used,power.draw,utilization.gpu", "--format=csv").splitlines()
    assert header == [
        "memory.used [MiB], power.draw [W], utilization.gpu [%]",
        "512 MiB, 22.50 W, 0 %",
        "384 MiB, 23.50 W, 0 %",
    ]
    assert "is not a valid field" in smi(tmp_path, "--query-gpu=speed", "--format=csv", status=2)
    assert "stand-in" in smi(tmp_path, "--version")
    (tmp_path / "lib/libnvidia-ml.so.1").unlink()
    assert "couldn't find libnvidia-ml.so" in smi(tmp_path, "-L", status=12)


@needs_gcc
def test_without_its_device_the_driver_refuses(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="one-gpu", dxg=str(tmp_path / "no-dxg"))
    assert "GPU access blocked by the operating system" in smi(tmp_path, "-L", status=17)
    assert ctypes.CDLL(str(tmp_path / "lib/libcuda.so.1.1")).cuInit(0) == 100


@needs_gcc
def test_a_driver_update_replaces_the_store(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="hybrid", store_hash="aaaa")
    driver.build_driver_tree(tmp_path, scenario="hybrid", store_hash="bbbb")
    stores = ["iigd_dch.inf_amd64_bbbb", "nv_dispi.inf_amd64_bbbb"]
    assert sorted(path.name for path in (tmp_path / "drivers").iterdir()) == stores
    assert not (tmp_path / "drivers" / stores[0] / "libcuda.so.1.1").exists()


class QueryRegistry(ctypes.Structure):
    """D3DDDI_QUERYREGISTRY_INFO, with room for the answer."""

    _fields_ = [
        ("query_type", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("value_name", ctypes.c_wchar * 260),
        ("value_type", ctypes.c_uint),
        ("physical_adapter_index", ctypes.c_uint),
        ("output_size", ctypes.c_uint),
        ("status", ctypes.c_int),
        ("output", ctypes.c_wchar * 400),
    ]


class Query(ctypes.Structure):
    """D3DKMT_QUERYADAPTERINFO."""

    _fields_ = [("adapter", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_void_p), ("size", ctypes.c_uint)]


@needs_gcc
def test_dxcore_and_the_toolkit_name_the_same_stores(tmp_path: Path) -> None:
    tree = tmp_path / "usr/lib/wsl"
    driver.build_driver_tree(tree, scenario="hybrid", store_hash="cafe")
    # The adapters decide, not the folders: an old driver's store may still be there.
    (tree / "drivers/nv_dispi.inf_amd64_old").mkdir()
    library = ctypes.CDLL(str(tree / "lib/libdxcore.so"))
    said = []
    for adapter in (0x40000000, 0x40000001):
        version = ctypes.c_uint()
        query = Query(adapter, 13, ctypes.cast(ctypes.byref(version), ctypes.c_void_p), 4)
        assert library.D3DKMTQueryAdapterInfo(ctypes.byref(query)) == 0
        assert version.value >= 2700
        registry = QueryRegistry(query_type=2)
        query = Query(adapter, 48, ctypes.cast(ctypes.byref(registry), ctypes.c_void_p), ctypes.sizeof(registry))
        assert library.D3DKMTQueryAdapterInfo(ctypes.byref(query)) == 0
        assert registry.status == 0
        said.append(registry.output)
    assert said == driver.store_paths("hybrid", "cafe") == cdi.driver_stores(cdi.Node(tmp_path))


def test_without_gcc_the_package_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(driver.StandInError) as caught:
        driver.compile_library("common")
    assert caught.value.next_step == "apt-get install gcc libc6-dev"
    with pytest.raises(driver.StandInError) as caught:
        toolkit.build_debs(tmp_path)
    assert caught.value.next_step == "apt-get install dpkg"


# --- the packages


@needs_dpkg
def test_the_packages_are_four_a_version_and_the_same_each_time(tmp_path: Path) -> None:
    built = toolkit.build_debs(tmp_path / "a")
    assert len(built) == 4 * len(toolkit.VERSIONS)
    again = toolkit.build_debs(tmp_path / "b", ["1.18.1-1"])
    for path in again:
        assert digest(path) == digest(tmp_path / "a" / path.name)
    for version in toolkit.VERSIONS:
        fields = {name: control(tmp_path / "a" / f"{name}_{version}_amd64.deb") for name in toolkit.PACKAGES}
        assert f"{toolkit.BASE} (= {version})" in fields[toolkit.TOOLKIT]["Depends"]
        assert f"{toolkit.TOOLS} (>= {version})" in fields[toolkit.TOOLKIT]["Depends"]
        assert f"{toolkit.LIBRARY} (>= {version})" in fields[toolkit.TOOLS]["Depends"]
        for name, field in fields.items():
            assert (field["Package"], field["Version"], field["Architecture"]) == (name, version, "amd64")
            assert "stand-in" in field["Description"]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def control(path: Path) -> dict[str, str]:
    text = subprocess.run(["dpkg-deb", "--field", path], capture_output=True, text=True, check=True).stdout
    return dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" "))


@needs_dpkg
@pytest.mark.parametrize("version", toolkit.VERSIONS)
def test_every_installed_program_says_its_version_and_what_it_is(tmp_path: Path, version: str) -> None:
    root = tmp_path / "root"
    for package in toolkit.build_debs(tmp_path / "debs", [version]):
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    for path in toolkit.PROGRAMS:
        # The launcher names the place on the node; here the same module is run from the extracted tree.
        text = (
            (root / path)
            .read_text(encoding="utf-8")
            .replace("/usr/lib/nvidia-stand-in", f"{root}/usr/lib/nvidia-stand-in")
        )
        done = subprocess.run(
            [sys.executable, "-ISB", "-c", text, "--version"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": str(tmp_path)},
        )
        assert f" version {version.split('-')[0]}\n" in done.stdout, done
        assert NOTICE in done.stdout
        assert os.access(root / path, os.X_OK)


@pytest.mark.parametrize(
    ("version", "folder", "accepts_wsl"),
    [
        ("1.18.1-1", "etc/systemd/system", False),
        ("1.19.0-1", "etc/systemd/system", False),
        ("1.19.1-1", "etc/systemd/system", True),
        ("1.20.0-1", "lib/systemd/system", True),
    ],
)
def test_the_refresh_unit_runs_on_wsl_from_1_19_1(version: str, folder: str, accepts_wsl: bool) -> None:
    units = toolkit.refresh_units(version)
    service = units["nvidia-cdi-refresh.service"]
    assert toolkit.units_folder(version) == folder
    assert ("ConditionPathExists=|/usr/lib/wsl/lib/nvidia-smi" in service) is accepts_wsl
    assert ("/dev/dxg" in service.split("ExecCondition=")[1]) is accepts_wsl
    assert "modules.dep" in service
    assert "/usr/lib/wsl" not in units["nvidia-cdi-refresh.path"]


def test_what_runs_on_a_node_imports_nothing_of_ours() -> None:
    for path in toolkit.NODE_SOURCES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) (wslgpu|ctypes|shutil|tempfile|yaml)\b", text, re.MULTILINE), path


def test_no_users_run_reaches_a_stand_in() -> None:
    project = Path(__file__).parents[2]
    folders = [project / name for name in ("wslgpu", "tasks", "inventory", "group_data")]
    sources = [*project.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    assert project / "wslgpu/errors.py" in sources
    users = [path for path in sources if "stand_ins" in path.read_text(encoding="utf-8")]
    outside = [path for path in users if not path.is_relative_to(project / "wslgpu/lab")]
    # A test may ask a lab's persona for its list of stand-ins; the code itself is only imported by the lab.
    assert [path for path in outside if re.search(r"import.*stand_ins|stand_ins.*import", path.read_text())] == []


# --- the Windows side


def test_the_windows_side(tmp_path: Path) -> None:
    windows.build_windows_tree(tmp_path)
    text = (tmp_path / "mnt/c/Users/lab/.wslconfig").read_text(encoding="utf-8")
    assert text.splitlines()[:2] == ["[ws12]", "networkingMode-bridged"]

    def run(program: str, *arguments: str) -> str:
        command = ["sh", str(tmp_path / "usr/bin" / program), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert run("wslinfo", "--networking-mode") == "nat\n"
    assert run("wslinfo", "-n", "--wsl-version") == "2.6.3.0"
    assert run("wslpath", "-w", "/mnt/c/Users/lab") == "C:\\Users\\lab\n"
    assert run("wslpath", "-w", "/home/lab") == "\\\\wsl.localhost\\Lab\\home\\lab\n"
    assert run("wslpath", "C:\\Users\\lab") == "/mnt/c/Users/lab\n"
    for program in ("wslinfo", "wslpath"):
        assert "stand-in" in run(program, "--version")
        assert os.access(tmp_path / "usr/bin" / program, os.X_OK)
