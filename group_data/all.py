"""Every setting, for every host: pins.yml, the profile, and the site's choices, checked before any host is touched."""

from wslgpu.settings import load_or_exit as _load_or_exit

globals().update(_load_or_exit())
