"""The video device on a node: program, units, CDI specs, and what its spec would be now, in one round trip."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from pyinfra.api import StringCommand

from wslgpu import video_cdi
from wslgpu.facts.file_state import FileState
from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class UnitState:
    """One systemd unit, in systemctl's words; ``none`` where there is no such unit."""

    enabled: str
    active: str
    needs_reload: bool


@dataclass(frozen=True)
class Held:
    """A container that was started before the driver's last update, by its first process."""

    store: str
    pid: str
    name: str


@dataclass(frozen=True)
class VideoCdiState:
    """What video_cdi.sh found.

    :param gpu: the node has /dev/dxg
    :param files: program and units that are there, by path
    :param units: by name
    :param specs: text of each CDI spec, by path
    :param mode: of our spec, octal digits and ``user:group``; empty where it is not there
    :param gone: paths that our spec mounts and that do not exist
    :param made: what our spec would be now; empty where the node has no codec library, None where nobody could say
    :param refusal: why not
    :param held: processes in containers that still have files of a driver store that is gone
    """

    gpu: bool = False
    files: dict[str, FileState] = field(default_factory=dict)
    units: dict[str, UnitState] = field(default_factory=dict)
    specs: dict[str, str] = field(default_factory=dict)
    mode: str = ""
    gone: tuple[str, ...] = ()
    made: str | None = None
    refusal: str = ""
    held: tuple[Held, ...] = ()


def _text(encoded: str) -> str:
    return base64.b64decode(encoded.rstrip(".")).decode(errors="replace")


def parse_video_cdi(lines: list[str]) -> VideoCdiState:
    """Read video_cdi.sh's output."""
    files: dict[str, FileState] = {}
    units: dict[str, UnitState] = {}
    specs: dict[str, str] = {}
    gone: list[str] = []
    held: list[Held] = []
    single: dict[str, str] = {}
    mode = ""
    for line in lines:
        key, _, value = line.partition(" ")
        words = value.split(" ")
        if key == "file" and len(words) == 4:
            files[words[0]] = FileState("file", *words[1:])
        elif key == "unit" and len(words) >= 3:
            units[words[0]] = UnitState(words[1], words[2], words[3:] == ["yes"])
        elif key == "spec" and len(words) == 4:
            specs[words[0]] = _text(words[3])
            if words[0] == video_cdi.SPEC:
                mode = f"{words[1]} {words[2]}"
        elif key == "gone":
            gone.append(value)
        elif key == "held" and len(words) >= 3:
            held.append(Held(words[0], words[1], " ".join(words[2:])))
        else:
            single[key] = value
    made = single.get("made")
    return VideoCdiState(
        gpu=single.get("gpu") == "dxg",
        files=files,
        units=units,
        specs=specs,
        mode=mode,
        gone=tuple(gone),
        made=None if made is None else _text(made),
        refusal=single.get("refused", ""),
        held=tuple(held),
    )


class VideoCdi(ScriptFact[VideoCdiState]):
    """The node's :class:`VideoCdiState`."""

    script_name = "video_cdi"

    @staticmethod
    def default() -> VideoCdiState:
        return VideoCdiState()

    def command(self, kind: str) -> StringCommand:  # type: ignore[override]
        return super().command(kind, video_cdi.PROGRAM, video_cdi.SPEC, *video_cdi.UNITS)

    def process(self, output: list[str]) -> VideoCdiState:
        return parse_video_cdi(output)
