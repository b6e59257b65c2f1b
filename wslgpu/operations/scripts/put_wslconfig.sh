# shellcheck shell=sh
# put_wslconfig.sh FILE SHA256 <base64: .wslconfig on a Windows drive becomes this text; the old one is kept beside it.
# Owner and mode are Windows' own: the drive takes neither.
directory=$(dirname "$1")
[ -d "$directory" ] || fail platform "$directory is gone" "See that the Windows drive is mounted."
rm -f "$directory/.wslconfig.wslgpu-new-"*
new=$(mktemp "$directory/.wslconfig.wslgpu-new-XXXXXX") ||
    fail platform "cannot write in $directory" "Check that this Windows user may, or copy the file as the notes say."
trap 'rm -f "$new"' EXIT
base64 -d >"$new" || fail platform "cannot write $1: no space on the Windows drive, or read-only" "Free space there."
[ "$(sha256sum <"$new" | cut -d' ' -f1)" = "$2" ] ||
    fail integrity "the content of $1 arrived with another hash" "Run it again."
sync "$new"
if [ -f "$1" ]; then
    backup="$1.wslgpu-$(date -u +%Y%m%dT%H%M%SZ).bak"
    cp "$1" "$backup" || fail platform "cannot keep the present file as $backup" "Free space on the Windows drive."
    sync "$backup"
    echo "kept the former file as $backup"
fi
mv -fT "$new" "$1" || fail platform "cannot replace $1" "Close the program in Windows that has it open."
trap - EXIT
