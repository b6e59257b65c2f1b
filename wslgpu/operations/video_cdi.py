"""The CDI device with the driver's video codec libraries, and the units that keep CDI specs in step with the driver."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu import cdi, video_cdi
from wslgpu.facts import bound
from wslgpu.facts.file_state import FileState
from wslgpu.facts.video_cdi import VideoCdi, VideoCdiState
from wslgpu.operations import notes
from wslgpu.operations.script import as_stdin, script, sha256_of
from wslgpu.pins import CdiSpecOwner

NO_GPU = "there is no /dev/dxg, and the toolkit's own CDI spec has the codec libraries elsewhere"


@operation()
def refreshed(
    kind: str, files: tuple[tuple[str, str, str], ...], at_first_boot: bool = False
) -> Generator[StringCommand, None, None]:
    """Have the program that makes CDI specs, run it at boot, and watch the driver's folders.

    :param kind: CDI kind of the video device
    :param files: path, mode and text of the program and the units (:func:`wslgpu.video_cdi.files`)
    :param at_first_boot: the GPU comes with a later boot, as in an image: program and units are there for it
    """
    state = bound.read(VideoCdi, kind=kind)
    if not state.gpu and not at_first_boot:
        host.noop(NO_GPU)
        return
    differing = [
        (path, mode, text)
        for path, mode, text in files
        if state.files.get(path) != FileState("file", mode, "root:root", sha256_of(text))
    ]
    if not differing and _watching(state):
        host.noop("the driver's folders are watched")
        return
    for path, mode, text in differing:
        yield script("put_file", path, mode, "root:root", sha256_of(text), stdin=as_stdin(text))
    yield script("video_cdi_units", *video_cdi.UNITS)


def _watching(state: VideoCdiState) -> bool:
    units = [state.units.get(unit) for unit in video_cdi.UNITS]
    if any(unit is None or unit.enabled != "enabled" or unit.needs_reload for unit in units):
        return False
    # without a GPU its condition does not hold
    return not state.gpu or state.units[video_cdi.PATH_UNIT].active == "active"


@operation()
def spec(kind: str, owner: CdiSpecOwner) -> Generator[StringCommand, None, None]:
    """Have the video device's CDI spec, and one that fits the driver and nvidia.com/gpu as they are now.

    A node without any codec library gets no spec, and is told so: a device that promises what is not there would let
    containers start and fail later.

    :param owner: who writes nvidia.com/gpu on WSL2: the program too, or NVIDIA's unit, which it then triggers
    """
    state = bound.read(VideoCdi, kind=kind)
    if not state.gpu:
        host.noop(NO_GPU)
        return
    if others := video_cdi.claimants(state.specs, kind):
        yield script(
            "fail",
            "platform",
            f"the CDI device {kind}={video_cdi.DEVICE} is claimed by more than one file: "
            f"{' and '.join([video_cdi.SPEC, *others])}",
            f"Remove what is not wanted: rm {' '.join(others)}; then run again.",
        )
        return
    for held in state.held:
        notes.tell(
            f"process {held.pid} ({held.name}) in a container still has the files of {held.store}, which is gone: "
            "restart that container",
            warning=True,
        )
    present = state.specs.get(video_cdi.SPEC)
    if state.made == "":
        notes.tell(
            "this node has no video codec library, neither in /usr/lib/wsl/lib nor in the driver store: containers get "
            f"none, and there is no CDI device {kind}={video_cdi.DEVICE}. Update the Windows driver, then wsl "
            "--shutdown.",
            warning=True,
        )
    unit = state.units.get(video_cdi.SERVICE)
    settled = unit is None or unit.active != "failed"
    if settled and state.made is not None and _fits(state, present):
        host.noop(f"the CDI spec {video_cdi.SPEC} fits the driver")
        return
    yield script(
        "video_cdi_spec", video_cdi.PROGRAM, video_cdi.owner_word(owner), kind, video_cdi.SERVICE, timeout_s=300
    )


def _fits(state: VideoCdiState, present: str | None) -> bool:
    if not state.made:
        # somebody else's file at our place is not ours to remove
        return present is None or not cdi.is_ours(present)
    return present == state.made and state.mode == "644 root:root" and not state.gone


@operation()
def absent(kind: str) -> Generator[StringCommand, None, None]:
    """Take spec, units and program away; a file at the spec's place that somebody else wrote stays."""
    state = bound.read(VideoCdi, kind=kind)
    present = state.specs.get(video_cdi.SPEC)
    units = [unit for unit in state.units.values() if unit.enabled not in ("none", "not-found")]
    if not state.files and not units and (present is None or not cdi.is_ours(present)):
        host.noop("there is no video device")
        return
    yield script("video_cdi_absent", video_cdi.SPEC, video_cdi.PROGRAM, *video_cdi.UNITS)
