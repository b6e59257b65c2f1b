# shellcheck shell=sh
# k3s_remove.sh: take away the k3s that wslgpu brought. Its data in /var/lib/rancher/k3s stays.
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
if is_ours "$config"; then rm -f "$config"; fi
rm -f /etc/rancher/k3s/k3s.yaml
rmdir /etc/rancher/k3s /etc/rancher 2>/dev/null || true
rm -f /var/lib/wslgpu/kubernetes
