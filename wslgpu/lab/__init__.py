"""Disposable lab nodes: real Linux machines in systemd-nspawn, in the shape of a WSL2 distro.

``Lab.up(LabSpec(...))`` makes a lab, ``Lab.load(name)`` finds one, ``down(name)`` removes it; lab.py tells the
story. Known by nobody but the CLI,
inventory/lab.py, wslgpu/image/machine.py, wslgpu/diff/proof.py and the tests.
"""

from wslgpu.lab.errors import LabError
from wslgpu.lab.lab import Lab, LabSpec, down, sweep
from wslgpu.lab.node import Node
from wslgpu.lab.shell import Result

__all__ = ["Lab", "LabError", "LabSpec", "Node", "Result", "down", "sweep"]
