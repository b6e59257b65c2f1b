"""Mesa's Dozen: its files, how it is offered, and what Vulkan's loader makes of it."""

from __future__ import annotations

import json
import posixpath
from typing import Any

import pytest

from tests.node.support import artifact, gpu
from tests.node.support.artifact import Installed
from tests.node.support.checks import APPLY, check, not_applicable, unknown
from tests.node.support.node import Node
from wslgpu import dozen_answer
from wslgpu.dozen_answer import Answer
from wslgpu.settings import Settings

NAME = "mesa-dozen"
CURRENT = artifact.current_path(NAME)
MANIFEST = f"{CURRENT}/share/vulkan/icd.d/dzn_icd.x86_64.json"
SYSTEM_MANIFEST = "/etc/vulkan/icd.d/wslgpu_dzn_icd.x86_64.json"
DISTRIBUTION_MANIFESTS = "/usr/share/vulkan/icd.d"
PROFILE = "/etc/profile.d/wslgpu-mesa-dozen.sh"
OWN_ADAPTER = "NVIDIA"
"""What env.sh prefers of itself."""
WSL_LIBRARIES = ("libd3d12.so", "libdxcore.so")
WSL_LIB = "/usr/lib/wsl/lib"
WINDOWS = (
    "They come from Windows: `wsl --update` and `wsl --shutdown` there; /etc/wsl.conf must not say ldconfig=false, and"
    " gpuSupport=false must not stand in .wslconfig."
)
OTHER_DRIVER = (
    "Use another Windows driver or another Mesa: the pairs that are known stand under mesa_dozen_known_crashes."
)


@pytest.fixture(scope="module")
def found(node: Node, settings: Settings) -> Installed:
    return artifact.require_installed(node, settings, NAME, "mesa_dozen.installed")


@pytest.fixture(scope="module")
def answer(node: Node, found: Installed) -> Answer:
    """What vulkaninfo says when the loader is given our manifest alone."""
    if not node.run("sh", "-c", "command -v vulkaninfo").ok:
        unknown("the node has no vulkaninfo; install the package vulkan-tools")
    # a loader before 1.3.207 knows the older name only
    names = (f"VK_DRIVER_FILES={MANIFEST}", f"VK_ICD_FILENAMES={MANIFEST}", "VK_LOADER_DEBUG=error,warn")
    ended = artifact.ended(node, "env", *names, "vulkaninfo", "--summary")
    return dozen_answer.judge(ended.out, ended.rc)


@pytest.fixture(scope="module")
def missing_libraries(node: Node) -> list[str]:
    """Direct3D 12's own libraries that ld.so does not know or cannot load.

    Dozen says nothing of it: without them it ends just as it does without an adapter.
    """
    known = node.kept("ldconfig", "-p").out
    paths = [f"{WSL_LIB}/{name}" for name in WSL_LIBRARIES]
    return [path for path in paths if path not in known or not artifact.ended(node, *artifact.LD_SO, path).ok]


@pytest.fixture(scope="module")
def genuine(node: Node) -> None:
    """End the check where no GPU is, or only the lab's stand-in."""
    gpu.require(node)
    if gpu.is_stand_in(node):
        unknown("stand-in driver: no adapter can be found")


@pytest.mark.first
@check("mesa_dozen.installed")
def test_dozen_is_installed(node: Node, settings: Settings) -> None:
    """/opt/wslgpu/mesa-dozen/current leads to an installed version, where the data and the store have one."""
    artifact.should_be_installed(node, settings, NAME)


@check("mesa_dozen.absent")
def test_dozen_is_absent(node: Node, settings: Settings) -> None:
    """Where the data asks for no Dozen, no file of it is left."""
    artifact.should_be_absent(node, settings, NAME)
    left = [path for path in (SYSTEM_MANIFEST, PROFILE) if node.exists(path)]
    assert not left, f"still there: {', '.join(left)}"


@check("mesa_dozen.version")
def test_version(settings: Settings, found: Installed) -> None:
    """The version in use is the one that the data asks for."""
    artifact.should_be_the_version(settings, found)


@check("mesa_dozen.files")
def test_files(node: Node, found: Installed) -> None:
    """Every file is what the archive has, none is missing or more, and only root may change one."""
    odd = artifact.differences(node, found)
    assert not odd, f"{found.prefix}: " + "; ".join(odd[:5])


@check("mesa_dozen.manifest")
def test_manifest(node: Node, found: Installed) -> None:
    """The manifest of the version in use names a library that is there."""
    try:
        library = json.loads(node.read(MANIFEST))["ICD"]["library_path"]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(MANIFEST), library))
    except (ValueError, KeyError, TypeError) as error:
        raise AssertionError(f"{MANIFEST} is no manifest of a driver: {error!r}") from error
    assert path.startswith(f"{CURRENT}/"), f"{MANIFEST} names {path}, which is not of this artifact"
    assert node.exists(path), f"{MANIFEST} names {path}, which is not there"


@check("mesa_dozen.offer")
def test_offer(node: Node, settings: Settings, found: Installed) -> None:
    """Dozen is offered to everybody, or to those alone who source its env.sh, as the data says."""
    system = settings.mesa_dozen_offer == "system"
    assert node.exists(f"{CURRENT}/env.sh"), f"{CURRENT}/env.sh is not there"
    if not system:
        assert not node.exists(SYSTEM_MANIFEST), f"{SYSTEM_MANIFEST} offers it to everybody"
    else:
        library = str(json.loads(node.read(SYSTEM_MANIFEST))["ICD"]["library_path"])
        assert library.startswith(f"{CURRENT}/"), f"{SYSTEM_MANIFEST} names {library}"
        assert node.exists(library), f"{SYSTEM_MANIFEST} names {library}, which is not there"
        assert node.mode_and_owner(SYSTEM_MANIFEST) == "644 root:root regular file"
    adapter = settings.mesa_dozen_adapter
    expected = adapter if system or adapter != OWN_ADAPTER else ""
    assert _in_login_shell(node) == expected, (
        f"login shells prefer the adapter {_in_login_shell(node)!r}, not {expected!r}"
    )


def _in_login_shell(node: Node) -> str:
    """What a login shell of nobody in particular knows of the adapter, by our file alone."""
    program = 'test ! -e "$1" || . "$1"; printf "%s" "${MESA_D3D12_DEFAULT_ADAPTER_NAME:-}"'
    return node.run("env", "-i", "sh", "-c", program, "sh", PROFILE).out


@check("mesa_dozen.env")
def test_env(node: Node, found: Installed) -> None:
    """A shell that sources env.sh hands the loader a manifest that is there."""
    program = f'. {CURRENT}/env.sh; printf "%s\\n" "${{VK_ADD_DRIVER_FILES:-}}:${{VK_DRIVER_FILES:-}}"'
    answer = node.run("env", "-i", "PATH=/usr/bin:/bin", "sh", "-eu", "-c", program)
    assert answer.ok, f"env.sh cannot be sourced: {answer}"
    paths = [path for path in answer.out.strip().split(":") if path]
    assert paths, "env.sh names no manifest to the loader"
    gone = [path for path in paths if not node.exists(path)]
    assert not gone, f"env.sh names {', '.join(gone)}, which is not there"


@check("mesa_dozen.links")
def test_links(node: Node, found: Installed) -> None:
    """ld.so finds every library that the driver links."""
    path = f"{CURRENT}/lib/libvulkan_dzn.so"
    missing = artifact.unresolved(node, path)
    assert not missing, f"{path} links what is not on the node: {', '.join(missing)}"


@check("mesa_dozen.windows_libraries", WINDOWS)
def test_windows_libraries(node: Node, settings: Settings, found: Installed, missing_libraries: list[str]) -> None:
    """Direct3D 12's own libraries, which Windows gives to WSL2, are there and known to ld.so."""
    if not settings.wsl_required and not node.exists(gpu.DEVICE):
        not_applicable("the node need not be WSL2, and has no GPU of Windows'")
    assert not missing_libraries, f"ld.so has no {', '.join(missing_libraries)}"


@check("mesa_dozen.loads", f"{APPLY} A crash is of driver and Mesa: {OTHER_DRIVER}")
def test_loader_loads_it(node: Node, answer: Answer, missing_libraries: list[str], notice: Any) -> None:
    """Vulkan's loader loads the driver by our manifest; without an adapter the driver itself has to say so."""
    if answer.state in ("crash", "hang"):
        raise AssertionError(f"{answer.means} ({answer.detail}) with the Windows driver {_driver_version(node)}")
    assert answer.state != "driver-missing", f"{answer.means}: {answer.detail}"
    if missing_libraries or answer.state == "libraries-missing":
        unknown(f"libraries of {WSL_LIB} are missing (mesa_dozen.windows_libraries): {answer.detail}")
    assert answer.state in ("device", "no-adapter"), f"{answer.means}: {answer.detail}"
    notice(f"{answer.means}: {answer.detail}")


@check("mesa_dozen.device", f"Look at mesa_dozen.windows_libraries, and at nvidia-smi on Windows. {OTHER_DRIVER}")
def test_device(genuine: None, answer: Answer, notice: Any) -> None:
    """The GPU is a Vulkan device by Dozen: its name, the driver's id, and the conformance that Dozen claims: none."""
    if answer.state not in ("device", "no-adapter"):
        unknown(f"{answer.means} (mesa_dozen.loads)")
    assert answer.state == "device", f"a GPU is there, and {answer.means}: {answer.detail}"
    device = answer.devices[0]
    assert "Direct3D12" in device.name, f"the device is called {device.name!r}"
    assert device.driver_id == dozen_answer.DRIVER_ID, f"its driver is {device.driver_id}, not {dozen_answer.DRIVER_ID}"
    assert device.conformance == dozen_answer.CONFORMANCE, f"it claims conformance {device.conformance}"
    notice(f"{device.name}, {device.driver_info or 'Dozen'}")


@check("mesa_dozen.known_crash", OTHER_DRIVER)
def test_no_known_crash(node: Node, settings: Settings, found: Installed) -> None:
    """Driver and Mesa are no pair that is known to crash."""
    record = artifact.require_record(found, "mesa_dozen.version")
    gpu.require(node)
    driver = _driver_version(node)
    if not driver:
        unknown("nvidia-smi tells no driver version")
    known = [
        row
        for row in settings.mesa_dozen_known_crashes
        if dozen_answer.fits(row.driver, driver) and dozen_answer.fits(row.mesa, record.version)
    ]
    assert not known, f"Windows driver {driver} with Mesa {record.version}: {known[0].what} ({known[0].source})"


@check("mesa_dozen.others", "Remove VK_DRIVER_FILES from the environment, and look at what VK_LOADER_DEBUG=all says.")
def test_other_drivers_stay(node: Node, settings: Settings, found: Installed) -> None:
    """With Dozen offered to everybody, the loader's other drivers still work: llvmpipe, where it is installed."""
    if settings.mesa_dozen_offer != "system":
        not_applicable("Dozen is not offered to everybody")
    if not node.exists(DISTRIBUTION_MANIFESTS) or not node.listing(DISTRIBUTION_MANIFESTS, "lvp_icd*.json"):
        not_applicable("llvmpipe is not installed")
    ended = artifact.ended(node, "vulkaninfo", "--summary", timeout_s=60)
    names = [device.name for device in dozen_answer.devices(ended.out)]
    assert any("llvmpipe" in name for name in names), f"the loader lists {', '.join(names) or 'no device'}: {ended}"


@check("mesa_dozen.opengl")
def test_opengl(node: Node, found: Installed, notice: Any) -> None:
    """OpenGL by the artifact's own driver: Direct3D 12, or a software renderer where there is no GPU."""
    record = artifact.require_record(found, "mesa_dozen.version")
    if not record.options.get("opengl"):
        not_applicable("this artifact was built without OpenGL")
    if not node.run("sh", "-c", "command -v eglinfo").ok:
        unknown("the node has no eglinfo; install the package mesa-utils")
    program = f". {CURRENT}/env.sh; exec eglinfo -B -p surfaceless"
    ended = artifact.ended(node, "sh", "-c", program)
    renderers = [line.split(":", 1)[1].strip() for line in ended.lines if "renderer" in line and ":" in line]
    assert renderers, f"EGL shows no renderer: {ended}"
    known = [name for name in renderers if name.startswith(("D3D12", "llvmpipe", "softpipe"))]
    assert known, f"OpenGL's renderer is {renderers[0]}"
    notice(f"OpenGL's renderer is {known[0]}")


def _driver_version(node: Node) -> str:
    """The Windows driver's version, by nvidia-smi; empty where it says none."""
    answer = gpu.ask(node, "query")
    row = answer.lines[0].split(", ") if answer.said else []
    return row[3].strip() if len(row) > 3 else ""
