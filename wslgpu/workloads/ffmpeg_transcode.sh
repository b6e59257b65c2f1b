#!/bin/sh
# transcode.sh [--again] INPUT OUTPUT PROGRAM WORD...: transcode one file; in WORD, {input} stands for INPUT, and OUTPUT comes last.
#
# The output is written under another name, made safe on disk and renamed: what has the output's name is whole, whatever
# is killed when. Done twice it is done once, unless --again says so. It runs in pods, under any POSIX sh.
set -eu
again=no
if [ "$1" = --again ]; then
    again=yes
    shift
fi
input=$1 output=$2
shift 2

say() { printf 'wslgpu: %s\n' "$*" >&2; }

folder=$(dirname "$output")
name=$(basename "$output")
# The pod's name, in which there is no @, tells two of them apart; the extension stays at the end, since FFmpeg takes the
# format from it.
partial=$folder/.partial-$(uname -n)@$name

if [ "$again" = yes ]; then rm -f "$output"; fi
if [ -e "$output" ]; then
    say "$output is there already; remove it to have it made anew"
    exit 0
fi
if [ ! -r "$input" ]; then
    say "there is no $input that can be read here"
    exit 66
fi
if ! mkdir -p "$folder" 2>/dev/null || [ ! -w "$folder" ]; then
    say "user $(id -u) may not write in $folder"
    exit 73
fi
# of a predecessor that was killed; who still writes one of them fails at its own renaming, and loses nothing
for rest in "$folder/.partial-"*"@$name"; do
    pod=${rest#"$folder/.partial-"}
    # another file's, whose name only ends as this one's does
    case ${pod%"@$name"} in *@*) continue ;; esac
    rm -f "$rest"
done

left=$#
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    if [ "$word" = "{input}" ]; then word=$input; fi
    set -- "$@" "$word"
    left=$((left - 1))
done

child=""
# shellcheck disable=SC2317
stop() {
    if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null || true; fi
}
trap stop TERM INT
"$@" "$partial" &
child=$!
code=0
wait "$child" || code=$?
if kill -0 "$child" 2>/dev/null; then
    # the wait was ended by a signal that was handed on
    wait "$child" || true
    code=143
fi
trap - TERM INT
if [ "$code" -ne 0 ]; then
    rm -f "$partial"
    say "the transcode of $input ended with $code; nothing was written"
    exit "$code"
fi
if [ ! -s "$partial" ]; then
    rm -f "$partial"
    say "the transcode of $input left nothing"
    exit 70
fi
sync "$partial" 2>/dev/null || sync
mv "$partial" "$output"
say "$output is done"
