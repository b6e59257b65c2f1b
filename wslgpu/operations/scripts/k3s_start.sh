# shellcheck shell=sh
# k3s_start.sh RESTART SECONDS RECORD: start k3s, and wait until its API server answers and has this node.
# include: kubelet_words.sh
restart=$1 seconds=$2 record=$3
program=/usr/local/bin/k3s
kubeconfig=/etc/rancher/k3s/k3s.yaml
noted=/var/lib/wslgpu/kubernetes
name=$(uname -n | tr '[:upper:]' '[:lower:]')

systemctl daemon-reload
systemctl enable --quiet k3s 2>/dev/null ||
    fail platform "the service k3s cannot be enabled: it is $(systemctl is-enabled k3s 2>&1 | head -n 1)" \
        "systemctl unmask k3s, if it was masked on purpose by somebody; then run again."
if [ "$restart" = yes ]; then
    systemctl reset-failed k3s 2>/dev/null || true
    timeout 90 systemctl restart k3s 2>/dev/null ||
        fail platform "k3s does not start: $(kubelet_words k3s)" "journalctl -u k3s says more."
fi
# without a restart here, systemd goes on counting from long ago
restarts_of() { systemctl show k3s --property=NRestarts --value; }
before=$(restarts_of)
end=$(($(date +%s) + seconds))
until [ -s "$kubeconfig" ] && timeout 10 "$program" kubectl --kubeconfig="$kubeconfig" get node "$name" >/dev/null 2>&1; do
    restarts=$(restarts_of)
    if [ $((${restarts:-0} - ${before:-0})) -ge 3 ]; then
        fail platform "k3s ends by itself as soon as it is started: $(kubelet_words k3s)" \
            "journalctl -u k3s says more; its configuration is /etc/rancher/k3s/config.yaml."
    fi
    [ "$(date +%s)" -lt "$end" ] ||
        fail timeout "k3s does not have the node $name after $seconds s: $(kubelet_words k3s)" \
            "journalctl -u k3s says more; then run again, or raise kubernetes_join_timeout_s."
    sleep 1
done
chmod 600 "$kubeconfig"
printf '%s\n' "$record" >"$noted.new"
sync "$noted.new"
mv -fT "$noted.new" "$noted"
