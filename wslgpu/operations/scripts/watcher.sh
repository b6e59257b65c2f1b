# shellcheck shell=sh
# Included: end a transfer that takes too long, or is slower than 1 kB/s: apt and ctr know a time-out for silence at best.

# shellcheck disable=SC2016
_watcher_program='
    pid=$1 seconds=$2 verdict=$3 pattern=$4
    shift 4
    end=$(($(cut -d. -f1 /proc/uptime) + seconds)) before=0 ticks=0
    in_flight() { find "$@" -type f -path "$pattern" 2>/dev/null | grep -q .; }
    while sleep 1; do
        ticks=$((ticks + 1))
        if [ "$(cut -d. -f1 /proc/uptime)" -ge "$end" ]; then why="took longer than $seconds s"; break; fi
        [ $((ticks % 30)) = 0 ] || continue
        after=$(du -sbc "$@" 2>/dev/null | tail -n 1 | cut -f1)
        if [ "$before" != 0 ] && in_flight "$@" && [ $((after - before)) -lt 30000 ]; then
            why="was slower than 1 kB/s"
            break
        fi
        before=$after
    done
    echo "wslgpu: the transfer $why" >"$verdict"
    kill "$pid"'

# watched SECONDS VERDICT PATTERN DIRECTORY... -- COMMAND...: run a command; its transfer is what grows in the
# directories, while files that fit the pattern are there. Returns its status, or 124 with the reason in VERDICT.
# The watcher leaves the run's environment, else it would hold the run's lock for its last second.
watched() {
    _seconds=$1 _verdict=$2 _pattern=$3
    shift 3
    _directories=""
    while [ "$1" != -- ]; do
        _directories="$_directories $1"
        shift
    done
    shift
    rm -f "$_verdict"
    "$@" &
    _command=$!
    # shellcheck disable=SC2086
    env -u WSLGPU_RUN setsid sh -c "$_watcher_program" wslgpu-watcher "$_command" "$_seconds" "$_verdict" "$_pattern" \
        $_directories >/dev/null 2>&1 &
    _watcher=$!
    _result=0
    wait "$_command" || _result=$?
    kill -- "-$_watcher" 2>/dev/null || true
    if [ -s "$_verdict" ]; then return 124; fi
    return "$_result"
}
