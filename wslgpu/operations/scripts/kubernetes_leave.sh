# shellcheck shell=sh
# kubernetes_leave.sh KUBEADMS: take this node's kubelet out of the cluster that wslgpu had joined it to. What the packages
# brought stays, and so do containers that run. KUBEADMS is yes where kubeadm has joined the node since: what that
# kubelet runs with stays too.
kubeadms=$1
unit=/etc/systemd/system/kubelet.service
drop_in=/etc/systemd/system/kubelet.service.d/50-wslgpu.conf
config=/var/lib/kubelet/config.yaml
is_ours() { [ -f "$1" ] && head -n 1 "$1" | grep -q '^# Made by wslgpu'; }

if [ "$kubeadms" = no ] && { is_ours "$unit" || is_ours "$drop_in"; }; then
    timeout 90 systemctl disable --quiet --now kubelet 2>/dev/null || true
    if systemctl is-active --quiet kubelet; then
        fail platform "kubelet does not stop" "systemctl status kubelet says more."
    fi
fi
if [ "$kubeadms" = no ] && is_ours "$unit"; then rm -f "$unit"; fi
if is_ours "$drop_in"; then
    rm -f "$drop_in"
    rmdir "${drop_in%/*}" 2>/dev/null || true
fi
systemctl daemon-reload
if [ "$kubeadms" = no ]; then
    systemctl reset-failed kubelet 2>/dev/null || true
    if is_ours "$config"; then rm -f "$config"; fi
    rm -f /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/kubelet.conf
    rm -rf /var/lib/kubelet/pki
fi
# last what the role is known by, so that a run that was cut off begins here again
rm -f /var/lib/wslgpu/kubernetes
rm -f /etc/kubernetes/wslgpu-ca.crt
rmdir /etc/kubernetes /var/lib/kubelet 2>/dev/null || true
