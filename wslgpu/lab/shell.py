"""Running programs on the machine that hosts the lab."""

from __future__ import annotations

import functools

from wslgpu import programs
from wslgpu.lab.errors import LabError
from wslgpu.programs import Result as Result
from wslgpu.programs import detach as detach

run = functools.partial(
    programs.run,
    failure=LabError,
    next_step="see the message; `wslgpu lab down` removes what was begun",
    missing="install the lab's host packages (wslgpu lab up names them)",
)
"""As :func:`wslgpu.programs.run`, with failures that are LabErrors."""
