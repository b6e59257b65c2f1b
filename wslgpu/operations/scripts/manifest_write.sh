# shellcheck shell=sh
# manifest_write.sh SHA256 ASIDE [HASH PATH]... <base64: the node's manifest becomes this text, after the files that are
# named were kept by their hashes. ASIDE is yes where what stands in its place is kept under another name first.
#
# A run that is cut off anywhere leaves the old manifest whole, and some files kept more than it names.
sha256=$1 aside=$2
shift 2
place=/var/lib/wslgpu
manifest=$place/manifest.json
before=$place/before
mkdir -p "$place" || fail platform "cannot make $place" "Check the file system."

if [ "$#" -gt 0 ]; then
    if [ -L "$before" ]; then
        fail safety "$before is a link, and files that may hold passwords were to be kept there" \
            "Look who made it, and remove it; then run again."
    fi
    (umask 077 && mkdir -p "$before") || fail platform "cannot make $before" "Free space in $place, or make it writable."
    chown root:root "$before"
    chmod 700 "$before"
    rm -f "$before"/.*.wslgpu-*
fi
while [ "$#" -ge 2 ]; do
    hash=$1 path=$2
    shift 2
    if [ -f "$before/$hash" ] && [ ! -L "$before/$hash" ]; then continue; fi
    [ -f "$path" ] && [ ! -L "$path" ] ||
        fail "platform retryable" "$path changed while it was looked at" "Run again."
    new=$(umask 077 && mktemp "$before/.$hash.wslgpu-XXXXXX") ||
        fail platform "cannot write in $before" "Free space there, or make it writable."
    trap 'rm -f "$new"' EXIT
    cat <"$path" >"$new" || fail platform "cannot keep $path in $before: no space, or read-only" "Free space there."
    [ "$(sha256sum <"$new" | cut -d' ' -f1)" = "$hash" ] ||
        fail "platform retryable" "$path changed while it was kept" "Run again."
    sync "$new"
    mv -fT "$new" "$before/$hash" || fail platform "cannot write $before/$hash" "Look what stands there, and remove it."
    trap - EXIT
done
if [ -d "$before" ]; then sync "$before"; fi

if [ "$aside" = yes ] && { [ -e "$manifest" ] || [ -L "$manifest" ]; }; then
    number=1
    while [ -e "$manifest.damaged-$number" ] || [ -L "$manifest.damaged-$number" ]; do number=$((number + 1)); done
    mv -T "$manifest" "$manifest.damaged-$number" || fail platform "cannot rename $manifest" "Check the file system."
    echo "kept what stood there as $manifest.damaged-$number"
fi
put_file "$manifest" 600 root:root "$sha256"
