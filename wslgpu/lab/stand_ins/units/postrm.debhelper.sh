#!/bin/sh
# Stand-in of the wslgpu lab.
set -e

for unit in nvidia-cdi-refresh.path nvidia-cdi-refresh.service; do
    dpkg-maintscript-helper rm_conffile "/etc/systemd/system/$unit" 1.20.0-1~ nvidia-container-toolkit-base -- "$@"
    case "$1" in
    remove) deb-systemd-helper mask "$unit" >/dev/null || true ;;
    purge)
        deb-systemd-helper purge "$unit" >/dev/null || true
        deb-systemd-helper unmask "$unit" >/dev/null || true
        ;;
    esac
done
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
