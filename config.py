"""Read by pyinfra before anything else."""

from pyinfra import config

from wslgpu.connection import tune_connections

config.REQUIRE_PYINFRA_VERSION = "==3.10.0"

tune_connections()
