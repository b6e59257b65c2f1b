#!/bin/sh
# worker.sh INBOX OUTBOX PERIOD_S PROGRAM WORD...: transcode each file of INBOX into OUTBOX, one after the other, for ever.
#
# A file is taken when nothing has been written to it for a minute. What cannot be transcoded is named in OUTBOX/NAME.failed,
# and tried again when the input or that note changes. transcode.sh lies beside this.
set -eu
inbox=$1 outbox=$2 period_s=$3
shift 3
here=$(dirname "$0")

say() { printf 'wslgpu: %s\n' "$*" >&2; }

child=""
# shellcheck disable=SC2317
stop() {
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    exit 143
}
trap stop TERM INT

mkdir -p "$inbox" "$outbox" || {
    say "user $(id -u) may not make $inbox and $outbox"
    exit 73
}
say "what is put into $inbox is transcoded into $outbox"
while :; do
    : >/tmp/alive
    for input in "$inbox"/*; do
        if [ ! -f "$input" ] || [ -z "$(find "$input" -mmin +1)" ]; then continue; fi
        name=${input##*/}
        output=$outbox/$name
        failed=$output.failed
        if [ -e "$output" ] || { [ -e "$failed" ] && [ ! "$input" -nt "$failed" ]; }; then continue; fi
        sh "$here/transcode.sh" "$input" "$output" "$@" &
        child=$!
        code=0
        wait "$child" || code=$?
        child=""
        if [ "$code" -eq 0 ]; then rm -f "$failed"; else echo "ended with $code; see the log" >"$failed"; fi
    done
    sleep "$period_s" &
    child=$!
    wait "$child" || true
    child=""
done
