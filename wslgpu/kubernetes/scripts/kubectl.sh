# shellcheck shell=sh
# shellcheck disable=SC2154
# Finds kubectl and credentials, once for a session; `wslgpu_request` asks one thing and frames the answer.
# Set before it: wslgpu_nonce, wslgpu_kubeconfig, wslgpu_context, wslgpu_request_timeout (may be empty but the last).
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
wslgpu_folder=$(mktemp -d "${TMPDIR:-/tmp}/wslgpu-kubectl-XXXXXX") || exit 1
trap 'rm -rf "$wslgpu_folder"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
wslgpu_sudo=""
wslgpu_label=-
# what the user chose comes first, then what the cluster's own installer left on this machine
if [ -z "$wslgpu_kubeconfig" ] && [ -z "${KUBECONFIG:-}" ] && [ ! -e "${HOME:-/root}/.kube/config" ]; then
    for wslgpu_file in /etc/kubernetes/admin.conf /etc/rancher/k3s/k3s.yaml; do
        if [ -r "$wslgpu_file" ]; then
            wslgpu_kubeconfig=$wslgpu_file
            break
        elif [ -e "$wslgpu_file" ] && sudo -n test -r "$wslgpu_file" 2>/dev/null; then
            wslgpu_kubeconfig=$wslgpu_file
            wslgpu_sudo="sudo -n"
            break
        fi
    done
fi
wslgpu_program=""
if command -v kubectl >/dev/null 2>&1; then
    wslgpu_program=kubectl
elif command -v k3s >/dev/null 2>&1; then
    wslgpu_program="k3s kubectl"
fi

# wslgpu_kubectl WORDS...: kubectl itself; standard input is the caller's
wslgpu_kubectl() {
    if [ -z "$wslgpu_program" ]; then
        echo "wslgpu: there is no kubectl" >&2
        return 127
    fi
    if [ -n "$wslgpu_context" ]; then set -- "--context=$wslgpu_context" "$@"; fi
    if [ -n "$wslgpu_kubeconfig" ]; then set -- "--kubeconfig=$wslgpu_kubeconfig" "$@"; fi
    # shellcheck disable=SC2086
    $wslgpu_sudo $wslgpu_program "--request-timeout=${wslgpu_request_timeout}s" "--cache-dir=$wslgpu_folder/cache" "$@"
}

# wslgpu_answer STATUS: what is in the two files, with their lengths before it, so that no content ends a frame
wslgpu_answer() {
    printf '\n=== wslgpu-kubectl %s %s %s %s %s ===\n' "$wslgpu_nonce" "$wslgpu_label" "$1" \
        "$(($(wc -c <"$wslgpu_folder/out")))" "$(($(wc -c <"$wslgpu_folder/err")))"
    cat "$wslgpu_folder/out" "$wslgpu_folder/err"
}

wslgpu_request() {
    wslgpu_status=0
    wslgpu_kubectl "$@" >"$wslgpu_folder/out" 2>"$wslgpu_folder/err" || wslgpu_status=$?
    wslgpu_answer "$wslgpu_status"
}

# wslgpu_piece LABEL COMMAND...: what a command says, framed
wslgpu_piece() {
    wslgpu_label=$1
    shift
    wslgpu_status=0
    "$@" >"$wslgpu_folder/out" 2>"$wslgpu_folder/err" </dev/null || wslgpu_status=$?
    wslgpu_answer "$wslgpu_status"
    wslgpu_label=-
}
