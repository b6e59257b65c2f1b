# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034
# After kubectl.sh, in the same session: what the probe does not look at, one framed piece each. Nothing is changed.
wslgpu_node=$(uname -n | tr '[:upper:]' '[:lower:]')
wslgpu_plugins=/var/lib/kubelet/device-plugins
wslgpu_root=""
if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then wslgpu_root="sudo -n"; fi

wslgpu_sockets() {
    # shellcheck disable=SC2086
    $wslgpu_root ls -1 "$wslgpu_plugins"
}

wslgpu_checkpoint() {
    # shellcheck disable=SC2086
    $wslgpu_root head -c 262144 "$wslgpu_plugins/kubelet_internal_checkpoint"
}

wslgpu_kubelet_log() {
    # shellcheck disable=SC2086
    $wslgpu_root journalctl -q --no-pager -o cat -n 600 -u kubelet -u k3s -u k3s-agent |
        grep -iE 'device.?plugin|nvidia\.com' | cut -c 1-400 | tail -n 30
}

# the same image is GPU Feature Discovery as well, and what shares a GPU by MPS
wslgpu_plugin_pods() {
    wslgpu_kubectl get pods -A --field-selector "spec.nodeName=$wslgpu_node" -o jsonpath='{range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{" "}{.spec.containers[*].image}{"\n"}{end}' |
        grep -F k8s-device-plugin | grep -vE '^[^ ]+ [^ ]*(gpu-feature-discovery|mps-control-daemon)' | head -n 3
}

wslgpu_cri() {
    # shellcheck disable=SC2086
    printf '%s\n' "$wslgpu_cri_program" | $wslgpu_root python3 -I -S -B -
}

wslgpu_piece node echo "$wslgpu_node"
wslgpu_status=0
wslgpu_label=cri
wslgpu_cri >"$wslgpu_folder/out" 2>"$wslgpu_folder/err" || wslgpu_status=$?
wslgpu_answer "$wslgpu_status"
wslgpu_label=-
wslgpu_piece sockets wslgpu_sockets
wslgpu_piece checkpoint wslgpu_checkpoint
wslgpu_piece kubelet-log wslgpu_kubelet_log
wslgpu_piece plugin-pods wslgpu_plugin_pods
wslgpu_found=$(cat "$wslgpu_folder/out")
wslgpu_number=0
echo "$wslgpu_found" >"$wslgpu_folder/found"
while read -r wslgpu_namespace wslgpu_pod wslgpu_images; do
    [ -n "$wslgpu_images" ] || continue
    wslgpu_number=$((wslgpu_number + 1))
    wslgpu_piece "pod-$wslgpu_number" wslgpu_kubectl -n "$wslgpu_namespace" get pod "$wslgpu_pod" -o json
    wslgpu_piece "log-$wslgpu_number" wslgpu_kubectl -n "$wslgpu_namespace" logs "$wslgpu_pod" --all-containers --tail=80
    wslgpu_piece "previous-$wslgpu_number" wslgpu_kubectl -n "$wslgpu_namespace" logs "$wslgpu_pod" --previous --tail=40
done <"$wslgpu_folder/found"
