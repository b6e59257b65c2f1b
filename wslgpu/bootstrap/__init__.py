"""What turns a distro into a node from inside it, before wslgpu is there: run by a bundle's user, or by cloud-init.

``bootstrap.sh`` stands at the top of a bundle and needs no more than python3. ``first_boot.sh`` is what user-data of
``wslgpu image user-data`` puts into a distro: it gets the bundle, or a clone, and goes on with that one's own files.
"""
