"""wslgpu: provisions, rebuilds and verifies GPU nodes on WSL2."""

__version__ = "0.1.0"
