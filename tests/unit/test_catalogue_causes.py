"""One cause is one red line: what hangs on a missing device, library or driver is blocked by it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.observation_documents import HEALTHY_VALUES, healthy
from wslgpu.catalogue.load import Catalogue, load_catalogue
from wslgpu.probe.document import Status
from wslgpu.verdict.capabilities import Judge
from wslgpu.verdict.derived import with_derived
from wslgpu.verdict.model import State


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def test_one_missing_root_is_one_cause(catalogue: Catalogue) -> None:
    """Without /dev/dxg nothing else of a GPU is called broken."""
    gone = {"exists": False, "character_device": False, "mode": "", "openable": False, "error": "ENOENT"}
    changes: dict[str, Any] = {"wsl.dxg": gone, "wsl.lib_mount": None, "wsl.drivers_mount": None, "wsl.lib_files": None}
    changes |= {"wsl.driver_stores": [], "toolkit.cdi_specs": [], "nvml.device_count": 0, "cuda.device_count": 0}
    changes |= {"wsl.pci": {"microsoft_gpu": 0, "nvidia": 0, "amd": 0, "intel_gpu": 0}}
    judge = Judge(with_derived(healthy(changes)), catalogue, datetime.date(2026, 11, 21))
    ours = [row for row in judge.all() if row.area in ("wsl", "gpu", "container", "containerd", "docker", "k8s")]
    assert [row.id for row in ours if row.state is State.BROKEN] == ["wsl.dxg"]
    blocked = {row.id for row in ours if row.cause == "wsl.dxg"}
    assert {"gpu.present", "gpu.nvidia", "wsl.lib_mount", "container.cdi.spec"} <= blocked


NOWHERE = {"libcuda": [], "libnvidia_ml": [], "libdxcore": [], "wsl_lib_listed": False}
NO_DEVICE = {"result": 100, "name": "CUDA_ERROR_NO_DEVICE"}
BLOCKED = {"result": 17, "name": "NVML_ERROR_OPERATING_SYSTEM"}
SMI_FAILS = {"path": "nvidia-smi", "exit": 255, "smi_version": "", "driver_version": "", "cuda_version": ""}
NOTHING_MOUNTED: dict[str, Any] = {
    "wsl.lib_mount": None,
    "wsl.drivers_mount": None,
    "wsl.lib_files": None,
    "wsl.driver_stores": [],
    "wsl.ld_conf": {"exists": False, "names_wsl_lib": False},
    "directml.libraries": {"libdirectml": None, "libd3d12": None, "libd3d12core": None},
    "toolkit.cdi_specs": [],
}


@pytest.mark.parametrize(
    ("changes", "silent", "root"),
    [
        # the libraries of the Windows driver are not there
        ({"wsl.lib_files": {"names": ["libdxcore.so"], "links": [], "empty": []}, "wsl.ld_cache": NOWHERE},
         True, "wsl.lib_files"),
        # ldconfig is turned off
        ({"wsl.ld_conf": {"exists": False, "names_wsl_lib": False}, "wsl.ld_cache": NOWHERE}, True, "wsl.ld_conf"),
        ({"wsl.ld_cache": NOWHERE}, True, "wsl.ld_cache"),
        # [gpu] enabled=false
        ({"wsl.conf": {"text": "[gpu]\nenabled=false\n"}, "wsl.ld_cache": NOWHERE, **NOTHING_MOUNTED},
         True, "wsl.gpu_enabled"),
        # a card in TCC mode, or the driver replaced under a running VM
        ({"cuda.init": NO_DEVICE, "nvml.init": BLOCKED, "smi.run": SMI_FAILS}, False, "gpu.driver_answers"),
        # NVML alone, and CUDA alone
        ({"nvml.init": BLOCKED}, False, "nvml.init"),
        ({"cuda.init": NO_DEVICE}, False, "cuda.init"),
    ],
)  # fmt: skip
def test_one_cause_in_the_driver_is_one_red_line(
    changes: dict[str, Any], silent: bool, root: str, catalogue: Catalogue
) -> None:
    """What hangs on it is blocked by it, from the loader to the last field."""
    if silent:
        drop = {
            name: Status.UNKNOWN for name in HEALTHY_VALUES if name.startswith(("cuda.", "nvml.", "smi.", "codec."))
        }
        changes = {**drop, "cuda.library": None, "nvml.library": None, "dxcore.adapters": Status.UNKNOWN, **changes}
    judge = Judge(with_derived(healthy(changes)), catalogue, datetime.date(2026, 11, 21))
    assert [row.id for row in judge.all() if row.state is State.BROKEN] == [root]


def test_a_driver_that_nobody_asked_is_not_tested(catalogue: Catalogue) -> None:
    document = healthy(dict.fromkeys(("cuda.init", "nvml.init", "smi.run"), Status.UNKNOWN))
    judge = Judge(with_derived(document), catalogue, datetime.date(2026, 11, 21))
    assert judge.capability("gpu.driver_answers").state is State.NOT_TESTED
