"""Runs the testinfra suites of tests/node on hosts and gathers what they found.

Each host gets a pytest of its own in a child process (:mod:`wslgpu.verify.child`) over one shared, host-key-checked
ssh connection (:mod:`wslgpu.verify.connection`); a host that cannot be reached stays unknown and the others go on.
:mod:`wslgpu.verify.command` is what ``wslgpu verify`` calls.
"""

from wslgpu.verify.command import DEFAULT_SUITES, SUITES, VerifyRequest, verify

__all__ = ["DEFAULT_SUITES", "SUITES", "VerifyRequest", "verify"]
