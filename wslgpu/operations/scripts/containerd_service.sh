# shellcheck shell=sh
# Included: containerd as a service that answers, or says why it does not.

# The daemon answers, and every plugin of the CRI is loaded: a wrong plugin section lets containerd start without it.
containerd_answers() {
    systemctl is-active --quiet containerd && timeout 5 ctr version >/dev/null 2>&1 || return 1
    timeout 5 ctr plugins ls 2>/dev/null |
        awk '$1 ~ /cri/ || $2 == "cri" { seen = 1; if ($NF != "ok") bad = 1 } END { exit !seen || bad }'
}

# containerd_restart SECONDS: restart it and wait until it answers. Containers go on: their shims are no children of it.
containerd_restart() {
    if [ "$(systemctl show containerd --property=NeedDaemonReload --value)" = yes ]; then systemctl daemon-reload; fi
    systemctl reset-failed containerd 2>/dev/null || true
    timeout "$1" systemctl restart containerd 2>/dev/null || return 1
    _left=$(($1 * 2))
    while ! containerd_answers; do
        _left=$((_left - 1))
        [ "$_left" -gt 0 ] || return 1
        sleep 0.5
    done
}

# The journal's last words about what went wrong, on one line.
containerd_reason() {
    _words=$(journalctl --unit=containerd --lines=40 --output=cat --no-pager 2>/dev/null |
        grep -E 'level=(error|fatal)|^containerd: |failed to load plugin|invalid plugin config' |
        grep -vE 'level=(info|debug)' | tail -n 2 | tr '\n' ' ' | cut -c1-500)
    echo "${_words:-the journal says nothing}"
}

running_containers() {
    for _namespace in $(timeout 5 ctr namespaces ls -q 2>/dev/null); do
        timeout 5 ctr --namespace "$_namespace" tasks ls -q 2>/dev/null | sed "s,^,$_namespace/,"
    done
}
