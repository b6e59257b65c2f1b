# shellcheck shell=sh
# kubernetes_node.sh KUBELET MODULE... -- KEY...: what Kubernetes finds on this node; see wslgpu/facts/kubernetes_node.py.
echo "wslgpu-kubernetes-node"
kubelet=$1
shift
pki=/var/lib/kubelet/pki/kubelet-client-current.pem
kubeconfig=/etc/kubernetes/kubelet.conf

echo "record $(cat /var/lib/wslgpu/kubernetes 2>/dev/null || echo -)"
version=""
if [ -x "$kubelet" ]; then
    version=$(timeout 20 "$kubelet" --version 2>/dev/null | sed -n 's/^Kubernetes v/v/p') || version=""
    echo "kubelet ${version:-unreadable}"
fi
echo "cgroup $(stat -fc %T /sys/fs/cgroup 2>/dev/null || echo -)"
echo "swap $(sed 1d /proc/swaps 2>/dev/null | wc -l)"

# a module that is in the kernel, or whose work the kernel does, needs no loading
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
    kernel=/lib/modules/$(uname -r)
    works=no
    case $1 in
    overlay) if grep -qw overlay /proc/filesystems; then works=yes; fi ;;
    br_netfilter) if [ -d /proc/sys/net/bridge ]; then works=yes; fi ;;
    esac
    if [ -d "/sys/module/$1" ]; then works=yes; fi
    if ! modprobe --dry-run --quiet "$1" 2>/dev/null; then
        state=no-file
    elif grep -q "/$1\.ko" "$kernel/modules.builtin" 2>/dev/null; then
        state=built-in
    else
        state="file"
    fi
    echo "module $1 $state $works"
    shift
done
shift
for key in "$@"; do
    path=/proc/sys/$(echo "$key" | tr . /)
    writable=no
    if [ -w "$path" ]; then writable=yes; fi
    echo "sysctl $key $(cat "$path" 2>/dev/null || echo -) $writable"
done

# systemd-resolved's stub answers on loopback only, which is another one in a pod
if grep -q '^nameserver 127\.0\.0\.53' /etc/resolv.conf 2>/dev/null && [ -s /run/systemd/resolve/resolv.conf ]; then
    echo "resolv-conf /run/systemd/resolve/resolv.conf"
fi
cni=$(containerd config dump 2>/dev/null |
    sed -nE "s,^ *bin_dir = ['\"](/[^'\"]*)['\"].*,cni-bin \1,p; s,^ *bin_dirs = \[['\"](/[^'\"]*)['\"].*,cni-bin \1,p" | sort -u)
if [ -n "$cni" ]; then echo "$cni"; fi
folder=$(echo "$cni" | sed -n '/^cni-bin /{s///p;q}')
for plugin in loopback bridge host-local portmap; do
    if [ -n "$folder" ] && [ ! -x "$folder/$plugin" ]; then echo "cni-lacks $plugin"; fi
done
echo "cni-configs $(find /etc/cni/net.d -maxdepth 1 -name '*.conf*' 2>/dev/null | wc -l)"
if [ -f /var/lib/kubelet/config.yaml ]; then
    driver=$(sed -n 's/^cgroupDriver:[[:space:]]*//p' /var/lib/kubelet/config.yaml | tr -d "\"'")
    ours=no
    if head -n 1 /var/lib/kubelet/config.yaml | grep -q '^# Made by wslgpu'; then ours=yes; fi
    echo "kubelet-config $ours ${driver:--}"
fi

# unit NAME FRAGMENT OURS ACTIVE ENABLED RELOAD
for unit in kubelet k3s k3s-agent rke2-server rke2-agent snap.microk8s.daemon-kubelite; do
    fragment=$(systemctl show "$unit" --property=FragmentPath --value 2>/dev/null) || fragment=""
    [ -n "$fragment" ] || continue
    ours=no
    if head -n 1 "$fragment" 2>/dev/null | grep -q '^# Made by wslgpu'; then ours=yes; fi
    if [ -e "/etc/systemd/system/$unit.service.d/50-wslgpu.conf" ]; then ours=yes; fi
    echo "unit $unit $fragment $ours $(systemctl is-active "$unit" 2>/dev/null || true)" \
        "$(systemctl is-enabled "$unit" 2>/dev/null || true)" \
        "$(systemctl show "$unit" --property=NeedDaemonReload --value 2>/dev/null || true)"
    # of a program that was replaced since: a package's file is as old as the package
    pid=$(systemctl show "$unit" --property=MainPID --value 2>/dev/null) || pid=""
    running=$(readlink "/proc/${pid:-0}/exe" 2>/dev/null) || running=""
    case $running in *" (deleted)") echo "stale $unit ${running%% *}" ;; esac
    # older than one of its files?
    started=$(systemctl show "$unit" --property=ExecMainStartTimestamp --value --timestamp=us+utc 2>/dev/null) || started=""
    if [ -n "$started" ] && [ "$started" != n/a ]; then
        find /var/lib/kubelet/config.yaml /etc/kubernetes/wslgpu-ca.crt "/etc/systemd/system/$unit.service" \
            "/etc/systemd/system/$unit.service.d" "/etc/rancher/k3s/config.yaml" /usr/local/bin/k3s "$kubelet" \
            -newermt "$started" ! -newermt "+1 minute" 2>/dev/null | sed -n "1s/^/stale $unit /p"
    fi
done
if systemctl cat kubelet 2>/dev/null | grep -v 50-wslgpu | grep -q 'ExecStart=.*KUBELET_KUBEADM_ARGS'; then echo "kubeadm-unit yes"; fi
if [ -s /var/lib/kubelet/kubeadm-flags.env ]; then echo "kubeadm-joined yes"; fi

if [ -f "$kubeconfig" ]; then
    server=$(sed -nE 's/^ *server:[[:space:]]*//p' "$kubeconfig" | head -n 1 | tr -d "\"'")
    data=$(sed -nE 's/^ *certificate-authority-data:[[:space:]]*//p' "$kubeconfig" | head -n 1 | tr -d "\"'")
    file=$(sed -nE 's/^ *certificate-authority:[[:space:]]*//p' "$kubeconfig" | head -n 1 | tr -d "\"'")
    identity=""
    if [ -n "$data" ]; then
        identity=$(printf %s "$data" | base64 -d 2>/dev/null | tr -d '[:space:]' | sha256sum | cut -d' ' -f1)
    elif [ -f "$file" ]; then
        identity=$(tr -d '[:space:]' <"$file" | sha256sum | cut -d' ' -f1)
    fi
    echo "joined ${identity:--} ${server:--}"
fi
if [ -e "$pki" ]; then
    certificate=valid
    if command -v openssl >/dev/null && ! openssl x509 -noout -checkend 3600 -in "$pki" >/dev/null 2>&1; then certificate=expired; fi
    echo "certificate $certificate"
    authority=/etc/kubernetes/wslgpu-ca.crt
    if [ "$certificate" = valid ] && [ -f "$authority" ] && [ -n "${server:-}" ] && command -v curl >/dev/null; then
        name=$(uname -n | tr '[:upper:]' '[:lower:]')
        echo "registered $(curl --silent --noproxy '*' --max-time 5 --header 'Accept: application/vnd.kubernetes.protobuf' --cacert "$authority" --cert "$pki" --key "$pki" \
            --output /dev/null --write-out '%{http_code}' "$server/api/v1/nodes/$name" 2>/dev/null || true)"
    fi
fi
if [ -f /usr/local/bin/k3s ]; then echo "k3s $(sha256sum </usr/local/bin/k3s | cut -d' ' -f1)"; fi
