#!/bin/sh
# Stand-in of the wslgpu lab.
set -e

for unit in nvidia-cdi-refresh.path nvidia-cdi-refresh.service; do
    dpkg-maintscript-helper rm_conffile "/etc/systemd/system/$unit" 1.20.0-1~ nvidia-container-toolkit-base -- "$@"
done
