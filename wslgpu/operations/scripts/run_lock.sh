# shellcheck shell=sh
# run_lock.sh take|look OWNER: take the node's lock for this run, or say who holds it.
#
# The lock lives as long as the connection that took it, or the last command of its run: killing the controller
# leaves its remote command running. So the holder is named by the process that carries the connection (sshd's
# child, or the controller itself on the same machine) with its start time, and by the run's id in the environment
# of its commands. A lock of which neither is left is stale and may be taken.
[ "$(id -u)" = 0 ] || { echo "not-root"; exit 0; }
directory=/run/wslgpu
lock=$directory/lock

start_time() { # of a process, in clock ticks since boot; empty when there is none
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

carrier() { # the nearest ancestor that is no shell and no sudo
    _pid=$$
    while [ "$_pid" -gt 1 ]; do
        _pid=$(sed 's/.*) //' "/proc/$_pid/stat" | cut -d' ' -f2)
        case $(cat "/proc/$_pid/comm") in
        sh | dash | bash | sudo | su | env | timeout) ;;
        *) break ;;
        esac
    done
    echo "$_pid"
}

commands_of() { # process ids that carry the run's id in their environment
    for _environ in /proc/[0-9]*/environ; do
        if tr '\0' '\n' <"$_environ" 2>/dev/null | grep -qx "WSLGPU_RUN=$1"; then
            basename "$(dirname "$_environ")"
        fi
    done
}

alive() { # PID START RUN: does the holder still live?
    if [ -n "$2" ] && [ "$(start_time "$1")" = "$2" ]; then return 0; fi
    [ -n "$(commands_of "$3")" ]
}

mkdir -p "$directory"
exec 9>"$directory/lock.guard"
flock 9
if [ -f "$lock" ]; then
    read -r run pid started since owner <"$lock" || run=""
    if [ -n "$run" ] && [ "$run" != "$WSLGPU_RUN" ] && alive "$pid" "$started" "$run"; then
        echo "held $since $owner"
        exit 0
    fi
    if [ "$run" = "$WSLGPU_RUN" ] && [ "$(start_time "$pid")" = "$started" ]; then
        echo "ours"
        exit 0
    fi
fi
if [ "$1" = take ]; then
    pid=$(carrier)
    new=$(mktemp "$directory/.lock.XXXXXX")
    printf '%s %s %s %s %s\n' "$WSLGPU_RUN" "$pid" "$(start_time "$pid")" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$2" >"$new"
    chmod 644 "$new"
    mv -fT "$new" "$lock"
    echo "ours"
else
    echo "free"
fi
