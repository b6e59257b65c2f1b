# shellcheck shell=sh
# removal_files.sh WORD...: put back what stood on the node before, and take away what is ours. Words:
#   aside PATH SUFFIX                      rename what somebody changed, links included, to PATH SUFFIX
#   file PATH MODE OWNER SHA256 BEFORE     the kept copy BEFORE/SHA256 becomes the file, whole or not at all
#   link PATH OWNER TARGET
#   delete PATH SHA256                     a file only if it still has this digest; "-" for a link, or any content
#   folder PATH                            if nothing is in it but what runs of ours that were cut off have left
# What is done already is left as it is, so that a run that was cut off can be repeated.
there() { [ -e "$1" ] || [ -L "$1" ]; }

aside() { # a name that is taken, by an earlier edit, is not overwritten
    if ! there "$1"; then return 0; fi
    _name=$1$2
    _number=2
    while there "$_name"; do
        _name=$1$2-$_number
        _number=$((_number + 1))
    done
    mv -nT "$1" "$_name" || fail platform "cannot rename $1" "Check the file system and chattr flags."
}

restore() { # PATH MODE OWNER SHA256 BEFORE
    _directory=$(dirname "$1")
    _name=$(basename "$1")
    mkdir -p "$_directory" || fail platform "cannot make $_directory" "Look at what stands there."
    rm -f "$_directory/.$_name.wslgpu-"*
    if [ ! -f "$5/$4" ] || [ -L "$5/$4" ]; then
        fail integrity "the copy $5/$4 of what stood at $1 is gone" "Bring it back from a backup, or use --force."
    fi
    _new=$(umask 077 && mktemp "$_directory/.$_name.wslgpu-XXXXXX") ||
        fail platform "cannot write in $_directory" "Free space there, or make it writable."
    # shellcheck disable=SC2064
    trap "rm -f '$_new'" EXIT
    cp -p "$5/$4" "$_new" || fail platform "cannot write $1: no space, or read-only" "Free space in $_directory."
    [ "$(sha256sum <"$_new" | cut -d' ' -f1)" = "$4" ] ||
        fail integrity "the copy $5/$4 of what stood at $1 has another hash" "Bring it back from a backup, or use --force."
    chown "$3" "$_new" || fail platform "there is no owner $3 any more, whose $1 was" "Make that user again."
    chmod "$2" "$_new"
    sync "$_new"
    mv -fT "$_new" "$1" || fail platform "cannot replace $1" "Check the file system and chattr flags."
    sync "$_directory"
    trap - EXIT
}

restore_link() { # PATH OWNER TARGET
    _directory=$(dirname "$1")
    _new=$_directory/.$(basename "$1").wslgpu-link
    mkdir -p "$_directory"
    rm -f "$_new"
    { ln -s "$3" "$_new" && chown -h "$2" "$_new" && mv -fT "$_new" "$1"; } ||
        fail platform "cannot put the link $1 back" "Check the file system and chattr flags."
}

delete() { # PATH SHA256
    if ! there "$1"; then return 0; fi
    if [ "$2" != - ]; then
        if [ -L "$1" ] || [ "$(sha256sum <"$1" | cut -d' ' -f1)" != "$2" ]; then
            fail safety "$1 was changed while wslgpu was at work" "Look at it, and run this again."
        fi
    fi
    rm -f "$1" || fail platform "cannot remove $1" "Check the file system and chattr flags."
}

while [ "$#" -gt 0 ]; do
    case $1 in
    aside) aside "$2" "$3" && shift 3 ;;
    file) restore "$2" "$3" "$4" "$5" "$6" && shift 6 ;;
    link) restore_link "$2" "$3" "$4" && shift 4 ;;
    delete) delete "$2" "$3" && shift 3 ;;
    folder)
        if [ -d "$2" ] && [ ! -L "$2" ]; then
            rm -rf "$2"/.*.wslgpu-?????? "$2/.wslgpu-stage"
            rmdir "$2" 2>/dev/null || true
        fi
        shift 2
        ;;
    *) fail internal "removal_files.sh does not know $1" "That is a fault of wslgpu." ;;
    esac
done
