"""Vulkan, OpenGL, OpenCL, VA-API and Direct3D 12: what is installed, and at the standard level what it answers."""

from __future__ import annotations

import glob
import os
from typing import Any

from . import ldcache
from .base import CommandError, Probe
from .files import find_program, names, read_text
from .packages import named, packages

ICD_FOLDERS = (
    "/etc/vulkan/icd.d",
    "/usr/local/etc/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/usr/share/vulkan/icd.d",
)
WSL_LIB = "/usr/lib/wsl/lib"
WSLG = "/mnt/wslg/runtime-dir"
_ICDS_LIMIT = 64
_DRI_FOLDERS = ("/usr/lib/*/dri", "/usr/lib64/dri", "/usr/lib/dri", "/usr/local/lib/*/dri", "/usr/local/lib/dri")
_MESA = ("libgl1-mesa-dri", "mesa-libgallium", "libegl-mesa0", "mesa-vulkan-drivers", "mesa-va-drivers")
_VULKAN_KEYS = {
    "deviceName": "name",
    "driverID": "driver_id",
    "driverName": "driver_name",
    "conformanceVersion": "conformance",
    "apiVersion": "api_version",
    "deviceType": "type",
}


def observe(probe: Probe) -> None:
    probe.look("display.nodes", _display_nodes)
    probe.look("vulkan.icds", lambda: _icds(probe))
    probe.look("opengl.mesa", lambda: _mesa(probe))
    probe.look("opencl.vendors", lambda: _opencl(probe))
    probe.look("directml.libraries", _directml)
    if probe.wants("standard"):
        probe.look("vulkan.devices", lambda: _vulkan(probe))
        probe.look("opengl.renderer", lambda: _opengl(probe))
        probe.look("vaapi.driver", lambda: _vaapi(probe))


def _display_nodes() -> dict[str, list[str]]:
    found = names("/dev/dri") or []
    return {
        "cards": [name for name in found if name.startswith("card")],
        "render_nodes": [name for name in found if name.startswith("renderD")],
    }


def _icds(probe: Probe) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for folder in ICD_FOLDERS:
        for name in names(folder) or []:
            path = f"{folder}/{name}"
            if name.endswith(".json") and len(found) < _ICDS_LIMIT:
                found.append(_icd(probe, path, read_text(path, 65536) or ""))
    return found


def _icd(probe: Probe, path: str, text: str) -> dict[str, object]:
    """A library without a slash is the loader's to find; with one it is absolute or beside the manifest."""
    library, version = manifest(text)
    if "/" in library:
        exists = os.path.exists(os.path.join(os.path.dirname(path), library))
    else:
        exists = bool(library) and bool(ldcache.cached_paths(probe, library))
    return {"file": path, "library": library, "library_exists": exists, "api_version": version}


def manifest(text: str) -> tuple[str, str]:
    """Library and API version of a Vulkan driver's manifest; empty where it has none."""
    import json

    try:
        icd = json.loads(text).get("ICD")
    except (ValueError, AttributeError, RecursionError):
        return "", ""
    icd = icd if isinstance(icd, dict) else {}
    return str(icd.get("library_path") or ""), str(icd.get("api_version") or "")


def _mesa(probe: Probe) -> dict[str, object]:
    table = packages(probe) or {}
    installed = named(table, (), _MESA)
    drivers = [path for folder in _DRI_FOLDERS for path in glob.glob(f"{folder}/d3d12_dri.so")]
    version = next((table[name].version for name in _MESA if name in table), None)
    return {"version": version, "d3d12": bool(drivers), "packages": installed}


def _opencl(probe: Probe) -> dict[str, object]:
    icds = [name for name in names("/etc/OpenCL/vendors") or [] if name.endswith(".icd")]
    return {"icds": icds, "loader": next(iter(ldcache.cached_paths(probe, "libOpenCL.so.1")), None)}


def _directml() -> dict[str, str | None]:
    def there(name: str) -> str | None:
        path = f"{WSL_LIB}/{name}"
        return path if os.path.lexists(path) else None

    return {name: there(f"{name}.so") for name in ("libdirectml", "libd3d12", "libd3d12core")}


def session() -> dict[str, str]:
    """What a session of WSL has and one of sshd has not: the libraries' folder, and WSLg's display where it is."""
    found = {"LD_LIBRARY_PATH": WSL_LIB} if os.path.isdir(WSL_LIB) else {}
    if os.path.isdir(WSLG) and "DISPLAY" not in os.environ:
        found.update(XDG_RUNTIME_DIR=WSLG, WAYLAND_DISPLAY="wayland-0", DISPLAY=":0")
    return found


def _vulkan(probe: Probe) -> dict[str, object] | None:
    if find_program("vulkaninfo") is None:
        return None
    done = probe.run(["vulkaninfo", "--summary"], timeout_s=20.0, env=session(), limit=256 << 10)
    if done.hang or done.cut or done.exit < 0:
        raise CommandError(done, "vulkaninfo")
    return {"exit": done.exit, "devices": vulkan_devices(done.out)}


def vulkan_devices(text: str) -> list[dict[str, str]]:
    """Devices in ``vulkaninfo --summary``: lines ``key = value`` below ``GPU0:``."""
    found: list[dict[str, str]] = []
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("GPU") and word.endswith(":") and word[3:-1].isdigit():
            found.append(dict.fromkeys(_VULKAN_KEYS.values(), ""))
            continue
        key, sign, value = (part.strip() for part in word.partition("="))
        if found and sign and key in _VULKAN_KEYS:
            found[-1][_VULKAN_KEYS[key]] = value.partition(" (")[0] if key == "apiVersion" else value[:200]
    return found[:64]


def _opengl(probe: Probe) -> dict[str, str] | None:
    tool = next((name for name in ("eglinfo", "glxinfo") if find_program(name)), None)
    if tool is None:
        return None
    done = probe.run([tool, "-B"], timeout_s=15.0, env={"GALLIUM_DRIVER": "d3d12", **session()}, limit=256 << 10)
    if done.hang or done.cut or done.exit < 0:
        raise CommandError(done, tool)
    renderer, version = renderers(done.out)
    if not renderer:
        raise CommandError(done, tool)
    return {"tool": tool, "renderer": renderer, "version": version}


def renderers(text: str) -> tuple[str, str]:
    """Renderer and version of eglinfo or glxinfo: of its platforms the one with D3D12, else the first that says so."""
    pairs: list[list[str]] = []
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if not key.startswith("OpenGL"):
            continue
        if key.endswith(("profile renderer", "renderer string")):
            pairs.append([value, ""])
        elif pairs and not pairs[-1][1] and key.endswith(("profile version", "version string")):
            pairs[-1][1] = value
    pairs.sort(key=lambda pair: "D3D12" not in pair[0])
    return (pairs[0][0][:300], pairs[0][1][:300]) if pairs else ("", "")


def _vaapi(probe: Probe) -> dict[str, object] | None:
    if find_program("vainfo") is None:
        return None
    done = probe.run(["vainfo"], timeout_s=15.0, env={"LIBVA_DRIVER_NAME": "d3d12", **session()})
    if done.hang or done.cut or done.exit < 0:
        raise CommandError(done, "vainfo")
    return {"exit": done.exit, **vaapi(done.out + "\n" + done.err)}


def vaapi(text: str) -> dict[str, Any]:
    """Driver and number of entry points of vainfo."""
    driver, number = "", 0
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if "Driver version:" in line:
            driver = line.partition("Driver version:")[2].strip()[:200]
        elif key.startswith("VAProfile") and value.startswith("VAEntrypoint"):
            number += 1
    return {"driver": driver, "entrypoints": number}
