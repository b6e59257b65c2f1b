"""Runs pyinfra on an inventory and says, per host, what became of it, with exit codes of our own.

pyinfra ends with 0 after Ctrl-C and for a ``--limit`` that matches nothing, and with 1 for everything else. Here
it runs in a child process (:mod:`wslgpu.apply.child`), which writes down what happened on each host; the parent
(:mod:`wslgpu.apply.parent`) turns that into a result and an exit code.
"""

from wslgpu.apply.parent import ApplyRequest, run_apply
from wslgpu.apply.result import ApplyResult, HostResult

__all__ = ["ApplyRequest", "ApplyResult", "HostResult", "run_apply"]
