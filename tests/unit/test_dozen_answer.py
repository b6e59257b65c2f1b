"""What vulkaninfo says of Dozen, told apart."""

from __future__ import annotations

import pytest

from wslgpu.dozen_answer import CONFORMANCE, DRIVER_ID, State, devices, fits, judge

SUMMARY = """\
WARNING: dzn is not a conformant Vulkan implementation, testing use only.
==========
VULKANINFO
==========

Vulkan Instance Version: 1.4.309

Devices:
========
GPU0:
	apiVersion         = 1.2.303
	driverVersion      = 25.0.7
	vendorID           = 0x10de
	deviceID           = 0x2204
	deviceType         = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
	deviceName         = Microsoft Direct3D12 (NVIDIA GeForce RTX 3090)
	driverID           = DRIVER_ID_MESA_DOZEN
	driverName         = Dozen
	driverInfo         = Mesa 25.0.7
	conformanceVersion = 0.0.0.0
	deviceUUID         = 58a4a1a5-0000-0000-0000-000000000000
"""
ICD = "/opt/wslgpu/mesa-dozen/current/share/vulkan/icd.d/../../../lib/libvulkan_dzn.so"
INCOMPATIBLE = "ERROR at ./vulkaninfo/./vulkaninfo.h:456:vkCreateInstance failed with ERROR_INCOMPATIBLE_DRIVER\n"
CASES: list[tuple[State, int, str]] = [
    ("device", 0, SUMMARY),
    (
        "no-adapter",
        1,
        "ERROR: [Loader Message] Code 0 : terminator_CreateInstance: Received return code -3 from call to"
        f" vkCreateInstance in ICD {ICD}. Skipping this driver.\n{INCOMPATIBLE}",
    ),
    (
        "driver-missing",
        1,
        f"ERROR: [Loader Message] Code 0 : {ICD}: cannot open shared object file: No such file or directory\n"
        "ERROR: [Loader Message] Code 0 : loader_icd_scan: Failed loading library associated with ICD JSON"
        f" {ICD}. Ignoring this JSON\n{INCOMPATIBLE}",
    ),
    (
        "driver-missing",
        1,
        "ERROR: [Loader Message] Code 0 : loader_get_json: Failed to open JSON file /opt/x/dzn_icd.x86_64.json\n"
        + INCOMPATIBLE,
    ),
    (
        "libraries-missing",
        1,
        f"libdxcore.so: cannot open shared object file: No such file or directory\n{INCOMPATIBLE}",
    ),
    (
        "no-loader",
        127,
        "vulkaninfo: error while loading shared libraries: libvulkan.so.1: cannot open shared object file\n",
    ),
    ("crash", 139, "Segmentation fault\n"),
    ("crash", -11, ""),
    ("hang", 124, "WARNING: dzn is not a conformant Vulkan implementation, testing use only.\n"),
    # Debian 12's loader, 1.3.239
    (
        "no-adapter",
        1,
        "WARNING: terminator_CreateInstance: Failed to CreateInstance in ICD 0.  Skipping ICD.\n"
        f"ERROR: [Loader Message] Code 0 : terminator_CreateInstance: Found no drivers!\n{INCOMPATIBLE}",
    ),
    ("driver-missing", 1, f"ERROR: [Loader Message] Code 0 : vkCreateInstance: Found no drivers!\n{INCOMPATIBLE}"),
    (
        "driver-missing",
        1,
        "ERROR:            loader_scanned_icd_add: Attempt to retrieve either 'vkGetInstanceProcAddr' or"
        f" 'vk_icdGetInstanceProcAddr' from ICD {ICD} failed.\n{INCOMPATIBLE}",
    ),
    ("unclear", 1, INCOMPATIBLE),
    ("unclear", 0, ""),
]


@pytest.mark.parametrize(("state", "code", "text"), CASES)
def test_cases(state: State, code: int, text: str) -> None:
    answer = judge(text, code)
    assert answer.state == state
    assert answer.means
    assert answer.detail


def test_a_device_with_what_tells_it_from_others() -> None:
    (device,) = devices(SUMMARY)
    assert device.name == "Microsoft Direct3D12 (NVIDIA GeForce RTX 3090)"
    assert (device.driver_id, device.conformance, device.driver_info) == (DRIVER_ID, CONFORMANCE, "Mesa 25.0.7")


def test_several_devices_and_none() -> None:
    text = SUMMARY + "GPU1:\n\tdeviceName         = llvmpipe (LLVM 19.1.7, 256 bits)\n"
    assert [device.name.split()[0] for device in devices(text)] == ["Microsoft", "llvmpipe"]
    assert devices("GPU: \n deviceName = x\n") == ()


@pytest.mark.parametrize(
    ("pattern", "version", "named"),
    [
        ("610.88", "610.88", True),
        ("610.88", "610.8", False),
        ("610.88", "610.881", False),
        ("610", "610.88", True),
        ("610.*", "610.88", True),
        ("61*", "610.88", True),
        ("*", "25.0.7", True),
        ("25.0", "25.0.7", True),
        ("25.0", "25.1.0", False),
        ("610.88", "", False),
    ],
)
def test_patterns_of_known_crashes(pattern: str, version: str, named: bool) -> None:
    assert fits(pattern, version) is named
