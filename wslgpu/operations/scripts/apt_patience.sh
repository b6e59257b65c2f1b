# shellcheck shell=sh disable=SC2154
# Included by scripts that call apt or dpkg, after they have set $lock_timeout: nobody is asked anything, and the locks of
# others are waited for. Output goes to $log.
DEBIAN_FRONTEND=noninteractive
DEBCONF_NONINTERACTIVE_SEEN=true
APT_LISTCHANGES_FRONTEND=none
# l: only list. Ubuntu's needrestart would restart container runtimes under their containers.
NEEDRESTART_MODE=l
export DEBIAN_FRONTEND DEBCONF_NONINTERACTIVE_SEEN APT_LISTCHANGES_FRONTEND NEEDRESTART_MODE
log=$(mktemp) || fail platform "cannot write in /tmp" "Free space there, or make it writable."
trap 'rm -f "$log"' EXIT

now() { cut -d. -f1 /proc/uptime; }
deadline=$(($(now) + lock_timeout))

# patiently COMMAND...: its output goes to the log; it is repeated while another program holds a lock. apt's own
# time-out covers dpkg's frontend lock only, not the lists', the archive's, or a bare dpkg's.
patiently() {
    while ! "$@" >"$log" 2>&1; do
        cat "$log"
        grep -qE "Could not get lock|locked by another process|Unable to (lock|acquire)" "$log" || return 1
        if [ "$(now)" -ge "$deadline" ]; then
            pid=$(sed -nE 's/.*(held by process|by another process with pid) ([0-9]+).*/\2/p' "$log" | head -n 1)
            command=$(cat "/proc/${pid:-0}/comm" 2>/dev/null) || command="of unknown name"
            fail "timeout retryable" "apt is locked by process ${pid:-unknown} ($command), for more than $lock_timeout s" \
                "Wait until it has ended, or end it; then run again. Delete no lock file."
        fi
        sleep 2
    done
    cat "$log"
}
