"""What can go wrong with a lab, as one exception type."""

from __future__ import annotations

from wslgpu.errors import WslgpuError


class LabError(WslgpuError):
    """A lab could not be made, used or removed; says what, where and what next."""
