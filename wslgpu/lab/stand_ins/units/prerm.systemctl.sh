#!/bin/sh
# Stand-in of the wslgpu lab.
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service || true
fi
