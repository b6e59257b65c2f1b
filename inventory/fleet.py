"""The hosts of inventory/fleet.yml, or of the file that the environment variable WSLGPU_FLEET names."""

from wslgpu.fleet import load_groups_or_exit as _load_groups_or_exit

globals().update(_load_groups_or_exit())
