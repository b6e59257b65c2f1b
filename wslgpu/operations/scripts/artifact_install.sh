# shellcheck shell=sh
# artifact_install.sh ARTIFACT FOLDER DIGEST: unpack an artifact, and make it the current version.
#
# Standard input is base64: the artifact's record in one line, then its archive, compressed by gzip. Nothing is unpacked
# before the archive has its digest; the version appears whole, by one rename, and is used from one rename of a link on.
# include: artifact_links.sh
artifact=$1 folder=$2 digest=$3
top=/opt/wslgpu/$artifact

# the sender hears what went wrong only when all that it sends has been taken
refuse() {
    cat >/dev/null
    fail "$@"
}
no_room() { refuse platform "cannot write in $top: $(tr '\n' ' ' <"$1" | cut -c1-300)" "Free space there, or make it writable; df -h, df -i and mount show which."; }

log=$(mktemp) || refuse platform "cannot write in /tmp" "Free space there, or make it writable."
trap 'rm -f "$log"' EXIT
mkdir -p "$top" 2>"$log" || no_room "$log"
cd "$top" || fail platform "cannot enter $top" "Check the file system."
rm -rf .new-*
work=$(mktemp -d "$top/.new-XXXXXX" 2>"$log") || no_room "$log"
trap 'rm -rf "$work" "$log"' EXIT

IFS= read -r record || refuse "integrity retryable" "nothing of the archive arrived" "Run it again."
if ! base64 -d 2>"$log" | gzip -d >"$work/archive" 2>>"$log"; then
    if grep -qiE 'no space|read-only|quota|input/output' "$log"; then no_room "$log"; fi
    refuse "network retryable" "the archive of $artifact did not arrive whole: $(tail -n 1 "$log" | cut -c1-200)" "Run it again."
fi
found=sha256:$(sha256sum <"$work/archive" | cut -d' ' -f1)
[ "$found" = "$digest" ] ||
    fail integrity "the archive of $artifact arrived as $found, and the record says $digest" \
        "It was thrown away. wslgpu store verify looks at the store; then run it again."

tree=$work/tree
mkdir "$tree" "$tree/.wslgpu" 2>"$log" || no_room "$log"
tar --extract --file="$work/archive" --directory="$tree" --no-same-owner --no-same-permissions 2>"$log" || no_room "$log"
rm "$work/archive"
{
    printf '%s' "$record" | base64 -d >"$tree/.wslgpu/record.json" &&
        printf '%s\n' "$digest" >"$tree/.wslgpu/digest" &&
        (cd "$tree" && find . -path ./.wslgpu -prune -o -type f -print0 | sort -z | xargs -0 -r sha256sum) >"$tree/.wslgpu/files.sha256" &&
        tree_of "$tree" >"$tree/.wslgpu/tree" &&
        find "$tree" -type f -print0 | xargs -0 -r sync
} 2>"$log" || no_room "$log"

# a damaged one of the same version makes way
if [ -e "$folder" ]; then mv -T "$folder" ".gone-$folder"; fi
mv -T "$tree" "$folder" || fail platform "cannot rename to $top/$folder" "Check the file system."
sync .
use_version "$folder"
