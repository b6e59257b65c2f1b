"""The NVIDIA Container Toolkit on a node: configuration, CDI specs, refresh units, in one round trip."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import tomlkit
from pyinfra.api import StringCommand
from tomlkit.exceptions import TOMLKitError

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class SpecFile:
    """One CDI spec file.

    :param mode: octal digits and ``user:group``
    :param gone: paths of the host that it names and that do not exist
    """

    text: str
    mode: str
    gone: tuple[str, ...]


@dataclass(frozen=True)
class ToolkitState:
    """What nvidia_ctk.sh found.

    :param version: of nvidia-ctk, such as ``1.20.0``; empty when there is none
    :param gpu: dxg on WSL2, nvidia with NVIDIA's kernel module, or empty
    :param mode: of the nvidia runtime; None when there is no readable configuration
    :param specs: by path
    :param generated: what nvidia-ctk makes now; None when it refuses, and ``refusal`` says why
    :param units: is-enabled's word for each refresh unit; ``stale``: enabled by a link that leads to nowhere
    """

    version: str
    gpu: str
    mode: str | None
    specs: dict[str, SpecFile] = field(default_factory=dict)
    generated: str | None = None
    refusal: str = ""
    units: dict[str, str] = field(default_factory=dict)


def _text(encoded: str) -> str:
    return base64.b64decode(encoded.rstrip(".")).decode(errors="replace")


def runtime_mode(config: str) -> str | None:
    """``nvidia-container-runtime.mode`` of the toolkit's config.toml; None when it says nothing."""
    try:
        section = tomlkit.parse(config).unwrap().get("nvidia-container-runtime", {})
    except TOMLKitError:
        return None
    mode = section.get("mode") if isinstance(section, dict) else None
    return mode if isinstance(mode, str) else None


def parse_toolkit(lines: list[str]) -> ToolkitState:
    """Read nvidia_ctk.sh's output."""
    single: dict[str, str] = {}
    found: dict[str, tuple[str, str]] = {}
    gone: dict[str, list[str]] = {}
    units: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        words = value.split(" ")
        if key == "spec" and len(words) == 4:
            found[words[0]] = (_text(words[3]), f"{words[1]} {words[2]}")
        elif key == "gone" and len(words) >= 2:
            gone.setdefault(words[0], []).append(value.partition(" ")[2])
        elif key == "unit" and words:
            units[words[0]] = words[1] if len(words) > 1 else ""
        else:
            single[key] = value
    generated = single.get("generated")
    return ToolkitState(
        version=single.get("toolkit", ""),
        gpu=single.get("gpu", ""),
        mode=runtime_mode(_text(single["config"])) if "config" in single else None,
        specs={path: SpecFile(text, mode, tuple(gone.get(path, ()))) for path, (text, mode) in found.items()},
        generated=None if generated is None else _text(generated),
        refusal=single.get("refused", ""),
        units=units,
    )


class NvidiaCtk(ScriptFact[ToolkitState]):
    """The node's :class:`ToolkitState`."""

    script_name = "nvidia_ctk"

    @staticmethod
    def default() -> ToolkitState:
        return parse_toolkit([])

    def command(self) -> StringCommand:  # type: ignore[override]
        return super().command()

    def process(self, output: list[str]) -> ToolkitState:
        return parse_toolkit(output)
