# shellcheck shell=sh
# Included: the last errors of the kubelet's journal, on one line and without tokens, whose form is that of kubeadm's.
kubelet_words() {
    _words=$(journalctl --unit="${1:-kubelet}" --lines=200 --output=cat --no-pager 2>/dev/null |
        grep -E '^[EF][0-9]{4} |^Error: |level=(error|fatal)|command failed' |
        sed -E 's/^[EF][0-9]{4} [0-9:.]+ +[0-9]+ //; s/(token["=: ]+)[^ ,"]+/\1***/g; s/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/***/g' |
        tail -n 2 | tr '\n' ' ' | cut -c1-500)
    echo "${_words:-its journal says nothing}"
}
