#!/bin/sh
# Stand-in of the wslgpu lab, not Rancher's program: starts no cluster. It writes a kubeconfig as k3s does, notes what
# it was asked, and answers the few questions about its node that are asked of a k3s while it is installed.
config=/etc/rancher/k3s/config.yaml
kubeconfig=/etc/rancher/k3s/k3s.yaml
data=/var/lib/rancher/k3s
says="stand-in of the wslgpu lab, not Rancher's program"

node_name() { uname -n | tr '[:upper:]' '[:lower:]'; }

case ${1:-} in
--version | -v)
    echo "k3s version v1.33.1+k3s1 ($says)"
    ;;
server)
    if [ ! -r "$config" ]; then
        echo "level=fatal msg=\"no $config: $says\"" >&2
        exit 1
    fi
    if grep -q '^fail: ' "$config"; then
        echo "level=fatal msg=\"$(sed -n 's/^fail: //p' "$config")\"" >&2
        exit 1
    fi
    mkdir -p "$data"
    echo "$*" >"$data/asked"
    cp "$config" "$data/asked.yaml"
    umask 077
    listen=$(sed -n 's/^bind-address: *//p' "$config" | tr -d '"')
    cat >"$kubeconfig" <<KUBECONFIG
# $says
apiVersion: v1
kind: Config
clusters:
  - name: default
    cluster: {server: "https://${listen:-127.0.0.1}:6443"}
KUBECONFIG
    echo "level=info msg=\"$says\""
    echo $$ >/run/wslgpu-lab-k3s.pid
    exec sleep infinity
    ;;
kubectl)
    if ! kill -0 "$(cat /run/wslgpu-lab-k3s.pid 2>/dev/null || echo x)" 2>/dev/null; then
        echo "The connection to the server was refused ($says)" >&2
        exit 1
    fi
    for word in "$@"; do last=$word; done
    if [ "$last" != "$(node_name)" ]; then
        echo "Error from server (NotFound): nodes \"$last\" not found ($says)" >&2
        exit 1
    fi
    echo "NAME STATUS ROLES AGE VERSION"
    echo "$last Ready control-plane 1s v1.33.1+k3s1"
    ;;
*)
    echo "k3s: $says; it knows server, kubectl and --version" >&2
    exit 1
    ;;
esac
