#!/bin/sh
# Stand-in of the wslgpu lab: as the genuine package up to 1.19.x, which enables and starts the units itself,
# and only where systemd is up.
set -e

if [ "$1" = configure ]; then
    /usr/bin/nvidia-ctk --quiet config --config-file=/etc/nvidia-container-runtime/config.toml --in-place
    if command -v systemctl >/dev/null 2>&1; then
        case "$(systemctl is-system-running 2>/dev/null || true)" in
        running | degraded)
            systemctl daemon-reload || true
            for unit in nvidia-cdi-refresh.path nvidia-cdi-refresh.service; do
                systemctl enable --now "$unit" || echo "Warning: $unit could not be enabled" >&2
            done
            systemctl start nvidia-cdi-refresh.service || echo "Warning: the CDI refresh could not be started" >&2
            ;;
        esac
    fi
fi
