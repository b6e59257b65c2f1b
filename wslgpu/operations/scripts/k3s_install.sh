# shellcheck shell=sh
# k3s_install.sh URL SHA256 LIMIT_BYTES SECONDS VERSION [FILE]: fetch k3s, compare its hash, and only then put it in
# place. FILE, named by its sha256 in a folder INCOMING, was sent from a bundle: then nothing is fetched.
# include: download.sh
# include: bundle_files.sh
url=$1 sha256=$2 limit=$3 seconds=$4 version=$5
program=/usr/local/bin/k3s
mkdir -p "${program%/*}"
rm -f "${program%/*}/.k3s.wslgpu-"*
new=$(umask 077 && mktemp "${program%/*}/.k3s.wslgpu-XXXXXX") ||
    fail platform "cannot write in ${program%/*}" "Free space there, or make it writable."
trap 'rm -f "$new"' EXIT
received=${6:-}
if [ -n "$received" ]; then
    folder=$(dirname "$(dirname "$received")")
    take_in "$folder" "$sha256"
    cp "$folder/files/$sha256" "$new" || fail platform "cannot write in ${program%/*}" "Free space there."
else
    download_file "$url" "$new" "$seconds" "fetching k3s $version" "$limit"
fi
found=$(sha256sum <"$new" | cut -d' ' -f1)
[ "$found" = "$sha256" ] ||
    fail integrity "k3s from $url has the hash $found, and the data say $sha256; it was thrown away" \
        "Compare with the line k3s of sha256sum-amd64.txt of the release $version; a proxy may answer in its place."
chown root:root "$new"
chmod 755 "$new"
sync "$new"
mv -fT "$new" "$program" || fail platform "cannot replace $program" "Check the file system."
sync "${program%/*}"
if [ -n "$received" ]; then give_up "$folder" "$sha256"; fi
