# shellcheck shell=sh
# kubernetes_join.sh SERVER RESTART SECONDS RECORD: start the kubelet, and wait until it has its own certificate and the
# cluster has the node. Then the bootstrap token goes, and RECORD is written: a run that was cut off begins here again.
# include: kubelet_words.sh
server=$1 restart=$2 seconds=$3 record=$4
pki=/var/lib/kubelet/pki/kubelet-client-current.pem
bootstrap=/etc/kubernetes/bootstrap-kubelet.conf
authority=/etc/kubernetes/wslgpu-ca.crt
noted=/var/lib/wslgpu/kubernetes
name=$(uname -n | tr '[:upper:]' '[:lower:]')

systemctl daemon-reload
systemctl enable --quiet kubelet 2>/dev/null ||
    fail platform "the service kubelet cannot be enabled: it is $(systemctl is-enabled kubelet 2>&1 | head -n 1)" \
        "systemctl unmask kubelet, if it was masked on purpose by somebody; then run again."
rm -f "$noted"
# a certificate that has run out, or is none, would be preferred to the token
if [ -f "$bootstrap" ] && [ -e "$pki" ] && [ "$restart" = yes ]; then
    openssl x509 -noout -checkend 3600 -in "$pki" >/dev/null 2>&1 || rm -f "$pki" /etc/kubernetes/kubelet.conf
fi
if [ "$restart" = yes ]; then
    systemctl reset-failed kubelet 2>/dev/null || true
    timeout 60 systemctl restart kubelet 2>/dev/null ||
        fail platform "kubelet does not start: $(kubelet_words)" "journalctl -u kubelet says more."
fi

# the cluster's answer to who asks for this node with the node's own certificate
node_status() {
    curl --silent --noproxy '*' --max-time 5 --header 'Accept: application/vnd.kubernetes.protobuf' --cacert "$authority" --cert "$pki" --key "$pki" \
        --output /dev/null --write-out '%{http_code}' "$server/api/v1/nodes/$name" 2>/dev/null || true
}

# without a restart here, systemd goes on counting from long ago
restarts_of() { systemctl show kubelet --property=NRestarts --value; }
before=$(restarts_of)
end=$(($(date +%s) + seconds))
while :; do
    status=none
    if [ -e "$pki" ]; then
        status=$(node_status)
        [ "$status" != 200 ] || break
    fi
    restarts=$(restarts_of)
    if [ $((${restarts:-0} - ${before:-0})) -ge 3 ]; then
        fail platform "kubelet ends by itself as soon as it is started: $(kubelet_words)" \
            "journalctl -u kubelet says more; its configuration is /var/lib/kubelet/config.yaml."
    fi
    if [ "$(date +%s)" -ge "$end" ]; then
        if [ "$status" = none ]; then
            fail timeout "kubelet got no certificate from $server in $seconds s: $(kubelet_words)" \
                "Is the address right, the token not expired, and its request approved (kubectl get csr)? Then run again."
        fi
        fail timeout "the cluster at $server does not have the node $name after $seconds s (its answer: $status): $(kubelet_words)" \
            "journalctl -u kubelet says more; then run again."
    fi
    sleep 1
done
rm -f "$bootstrap"
mkdir -p "${noted%/*}"
printf '%s\n' "$record" >"$noted.new"
sync "$noted.new"
mv -fT "$noted.new" "$noted"
