"""Every setting, for every host: pins.yml, the profile, the site's choices and the lock, checked before any host is
touched."""

from wslgpu.lock.force import load_or_exit as _load_or_exit

globals().update(_load_or_exit())
