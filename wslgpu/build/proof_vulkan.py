"""Proofs over a Vulkan driver: its manifest is one, and points at a library that is there and is a driver.

Source: "LoaderDriverInterface", Vulkan-Loader: a library_path with a slash is relative to the manifest's folder.
"""

from __future__ import annotations

import json
import posixpath
from pathlib import Path

from wslgpu.build.elf import ElfError, read_elf
from wslgpu.pins import Strict


class VulkanBlock(Strict):
    """What a recipe promises of its driver: members of the artifact, relative to it."""

    manifest: str
    library: str


def findings(out: Path, block: VulkanBlock) -> tuple[list[str], str]:
    """What is wrong with the manifest, and what was found where nothing is."""
    path = out / block.manifest
    try:
        driver = json.loads(path.read_bytes())["ICD"]
        library, version = driver["library_path"], driver["api_version"]
    except OSError:
        return [f"{block.manifest} is not there"], ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return [f"{block.manifest} is no manifest of a Vulkan driver"], ""
    if not isinstance(library, str) or "/" not in library or library.startswith("/"):
        return [f"{block.manifest} names the library {str(library)[:200]!r}, not relative to itself"], ""
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(block.manifest), library))
    if resolved != block.library:
        return [f"{block.manifest} points at {resolved}, and the driver is {block.library}"], ""
    return _of_library(out, resolved), f"{block.manifest} points at {resolved}, Vulkan {version}"


def _of_library(out: Path, name: str) -> list[str]:
    try:
        elf = read_elf(out / name)
    except OSError:
        return [f"{name} is not there"]
    except ElfError as error:
        return [f"{name} {error.what}"]
    return [f"{name} is a program, not a library"] if elf.program else []
