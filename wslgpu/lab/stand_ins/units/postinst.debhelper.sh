#!/bin/sh
# Stand-in of the wslgpu lab: as the genuine package from 1.20.0 on, which leaves the units to debhelper's
# tools. It also clears away the conffiles that its predecessors had in /etc/systemd/system.
set -e

units="nvidia-cdi-refresh.path nvidia-cdi-refresh.service"

for unit in $units; do
    dpkg-maintscript-helper rm_conffile "/etc/systemd/system/$unit" 1.20.0-1~ nvidia-container-toolkit-base -- "$@"
done

if [ "$1" = configure ]; then
    /usr/bin/nvidia-ctk --quiet config --config-file=/etc/nvidia-container-runtime/config.toml --in-place
    for unit in $units; do
        deb-systemd-helper unmask "$unit" >/dev/null || true
        if deb-systemd-helper --quiet was-enabled "$unit"; then
            deb-systemd-helper enable "$unit" >/dev/null || true
        else
            deb-systemd-helper update-state "$unit" >/dev/null || true
        fi
    done
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        # shellcheck disable=SC2086 # a list of units
        deb-systemd-invoke restart $units >/dev/null || true
    fi
fi
