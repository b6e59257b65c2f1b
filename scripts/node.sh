#!/bin/sh
# Makes this machine, a WSL2 distro, a GPU node, and proves it. Asks for sudo once at most.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    sudo -v
    parent=$$
    # sudo forgets after some minutes; the deploy may take longer
    (while sleep 60 && kill -0 "$parent" 2>/dev/null; do sudo -n -v || exit 0; done) &
    keeper=$!
    trap 'kill "$keeper" 2>/dev/null || :' EXIT
fi

echo "== [1/2] Provision this machine with deploy.py"
.venv/bin/wslgpu apply local
echo "== [2/2] Verify it with the suites of tests/node"
.venv/bin/wslgpu verify local
cat <<'EOF'

What stays after `wsl --shutdown`: everything that was installed and configured; containerd starts with systemd.
The CDI spec in /var/run/cdi is made anew at start-up. To prove it, after a `wsl --shutdown` and a new start:
    .venv/bin/wslgpu verify local --suite after_reboot
EOF
