# shellcheck shell=sh
# k3s_remove.sh PLUGINS FOLDER: take away the k3s that wslgpu brought, and what it had linked from PLUGINS in FOLDER (empty
# where containerd does not say it). Its data in /var/lib/rancher/k3s stays.
plugins=$1 folder=$2
is_ours() { [ -f "$1" ] && head -n 1 "$1" | grep -q '^# Made by wslgpu'; }
unit=/etc/systemd/system/k3s.service
config=/etc/rancher/k3s/config.yaml
if is_ours "$unit"; then
    timeout 90 systemctl disable --quiet --now k3s 2>/dev/null || true
    if systemctl is-active --quiet k3s; then
        fail platform "k3s does not stop" "systemctl status k3s says more."
    fi
    rm -f "$unit"
    systemctl daemon-reload
    systemctl reset-failed k3s 2>/dev/null || true
fi
rm -f /usr/local/bin/k3s /usr/local/bin/.k3s.wslgpu-* /etc/cni/net.d/10-wslgpu.conflist
if [ -n "$folder" ]; then
    for link in "$folder"/*; do
        if [ "$(readlink "$link")" = "$plugins/${link##*/}" ]; then rm -f "$link"; fi
    done
    rmdir "$folder" "${folder%/*}" 2>/dev/null || true
fi
if is_ours "$config"; then rm -f "$config"; fi
rm -f /etc/rancher/k3s/k3s.yaml
rmdir /etc/rancher/k3s /etc/rancher 2>/dev/null || true
rm -f /var/lib/wslgpu/kubernetes
