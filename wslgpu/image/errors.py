"""What can go wrong with an image, as one exception type."""

from __future__ import annotations

from wslgpu.errors import WslgpuError


class ImageError(WslgpuError):
    """An image could not be made, read or judged."""
