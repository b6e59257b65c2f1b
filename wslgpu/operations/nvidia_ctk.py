"""What nvidia-ctk configures: the runtime's mode, and the CDI spec.

Its drop-in for containerd is :func:`wslgpu.operations.containerd.configured`'s.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu import cdi
from wslgpu.facts import bound
from wslgpu.facts.nvidia_ctk import NvidiaCtk, ToolkitState
from wslgpu.operations.script import script
from wslgpu.pins import CdiSpecOwner


@operation()
def runtime_mode(mode: str) -> Generator[StringCommand, None, None]:
    """Set ``nvidia-container-runtime.mode``; everything else in the toolkit's configuration stays."""
    if bound.read(NvidiaCtk).mode == mode:
        host.noop(f"the nvidia runtime's mode is {mode}")
        return
    yield script("nvidia_ctk_mode", mode)


@operation()
def cdi_spec(owner: CdiSpecOwner) -> Generator[StringCommand, None, None]:
    """Have one CDI spec of nvidia.com/gpu, and one that fits the driver as it is now.

    A spec names the driver store's files, and the store's name changes with each Windows driver: one that names what
    is gone, or differs from what nvidia-ctk makes now, is made anew.

    :param owner: who writes it on WSL2. Elsewhere NVIDIA's unit does, from 1.18 on
    """
    state = bound.read(NvidiaCtk)
    if state.version and not state.gpu:
        host.noop("there is no GPU, so no CDI spec to make")
        return
    ours = owner is CdiSpecOwner.WSLGPU and state.gpu == "dxg"
    place = cdi.OUR_PATH if ours else cdi.REFRESH_PATH
    if foreign := _foreign(state, place):
        paths = " and ".join([place, *foreign])
        yield script(
            "fail",
            "platform",
            f"the CDI kind {cdi.KIND} is claimed by more than one file: {paths}",
            f"Remove what is not wanted: rm {' '.join(foreign)}; then run again.",
        )
        return
    if _fresh(state, place, ours=ours):
        host.noop(f"the CDI spec {place} fits the driver")
        return
    yield script("cdi_spec", "own" if ours else "refresh", "wsl" if state.gpu == "dxg" else "auto")


def _foreign(state: ToolkitState, place: str) -> list[str]:
    """Specs of the same kind that are neither at our place nor at the refresh unit's."""
    return [
        path
        for path, file in sorted(state.specs.items())
        if path != place
        and path != cdi.REFRESH_PATH
        and not cdi.is_ours(file.text)
        and (spec := cdi.parse_spec(file.text)) is not None
        and spec.kind == cdi.KIND
    ]


def _fresh(state: ToolkitState, place: str, *, ours: bool) -> bool:
    file = state.specs.get(place)
    if file is None or file.gone or state.generated is None:
        return False
    if ours:
        wanted = cdi.HEADER + state.generated
        return file.text == wanted and file.mode == "644 root:root" and cdi.REFRESH_PATH not in state.specs
    if cdi.OUR_PATH in state.specs or any(state.units.get(unit) != "enabled" for unit in REFRESH_UNITS):
        return False
    present, made = cdi.parse_spec(file.text), cdi.parse_spec(state.generated)
    if present is None or made is None:
        return False
    return (present.kind, present.devices) == (made.kind, made.devices) and made.host_paths <= present.host_paths


REFRESH_UNITS = ("nvidia-cdi-refresh.path", "nvidia-cdi-refresh.service")
