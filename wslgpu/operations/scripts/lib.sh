# shellcheck shell=sh
# Put before every script that runs on a node. Every run is under `set -eu`, a C locale and a sane PATH.
set -eu
LC_ALL=C
LANG=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL LANG PATH
umask 022

# problem CLASS WHAT NEXT: report one problem and go on. CLASS may end in " retryable".
problem() {
    printf 'wslgpu [%s]: %s -- %s\n' "$1" "$2" "$3" >&2
}

# fail CLASS WHAT NEXT: report a problem and end.
fail() {
    problem "$@"
    exit 1
}

# put_file PATH MODE OWNER SHA256: standard input, base64, becomes the file, whole or not at all. A symbolic link in
# its place is replaced, never followed. What an interrupted run left behind is removed.
put_file() {
    _directory=$(dirname "$1")
    _name=$(basename "$1")
    if [ ! -d "$_directory" ]; then mkdir -p "$_directory"; fi
    rm -f "$_directory/.$_name.wslgpu-"*
    _new=$(umask 077 && mktemp "$_directory/.$_name.wslgpu-XXXXXX") ||
        fail platform "cannot write in $_directory" "Free space there, or make it writable."
    # shellcheck disable=SC2064
    trap "rm -f '$_new'" EXIT
    base64 -d >"$_new" || fail platform "cannot write $1: no space, or read-only" "Free space in $_directory."
    _sum=$(sha256sum "$_new" | cut -d' ' -f1)
    [ "$_sum" = "$4" ] || fail integrity "the content of $1 arrived with another hash" "Run it again."
    chown "$3" "$_new"
    chmod "$2" "$_new"
    sync "$_new"
    mv -fT "$_new" "$1" || fail platform "cannot replace $1" "Check the file system and chattr flags."
    sync "$_directory"
    trap - EXIT
}

# keep_before PATH: what somebody had at PATH before us is kept beside it, once, whole or not at all: half of it would
# count as kept.
keep_before() {
    if [ ! -f "$1" ] || [ -e "$1.wslgpu-before" ]; then return 0; fi
    cp -p "$1" "$1.wslgpu-keep" ||
        fail platform "cannot keep $1 beside ours: no space, or read-only" "Free space in ${1%/*}."
    mv -fT "$1.wslgpu-keep" "$1.wslgpu-before"
}

# tree_of FOLDER: kind, mode, owner, link target and path of everything in an installed artifact, one line each, sorted.
tree_of() {
    (cd "$1" && find . -path ./.wslgpu -prune -o -printf '%y %m %U:%G %l %p\n' | sort)
}
