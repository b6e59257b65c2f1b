# shellcheck shell=sh
# authorities.sh COUNT SHA256 <base64: the site's certificate authorities become these COUNT, and no others.
# Each certificate gets a file of its own: update-ca-certificates links only files with exactly one.
directory=/usr/local/share/ca-certificates
mkdir -p "$directory"
rm -rf "$directory"/.wslgpu-site-*
work=$(mktemp -d "$directory/.wslgpu-site-XXXXXX") ||
    fail platform "cannot write in $directory" "Free space there, or make it writable."
trap 'rm -rf "$work"' EXIT
if [ "$1" -gt 0 ]; then
    base64 -d >"$work/all" || fail platform "cannot write in $directory: no space" "Free space there."
    [ "$(sha256sum <"$work/all" | cut -d' ' -f1)" = "$2" ] ||
        fail integrity "the certificate authorities arrived with another hash" "Run it again."
    awk -v name="$work/wslgpu-site" \
        '/-----BEGIN/ { number++; file = name (number == 1 ? "" : "-" number) ".crt" } { print >file }' "$work/all"
fi
for file in "$directory"/wslgpu-site*.crt; do
    if [ -e "$file" ] && [ ! -e "$work/${file##*/}" ]; then rm -f "$file"; fi
done
for file in "$work"/wslgpu-site*.crt; do
    if [ -e "$file" ]; then
        chmod 644 "$file"
        sync "$file"
        mv -fT "$file" "$directory/${file##*/}"
    fi
done
sync "$directory"
# where the package is still to come, its own set-up does this
if command -v update-ca-certificates >/dev/null; then
    update-ca-certificates || fail platform "update-ca-certificates failed" "See what it wrote above."
fi
# last, since a link without its file is how an interrupted removal is known
for link in /etc/ssl/certs/wslgpu-site*.pem; do
    if [ -L "$link" ] && [ ! -e "$link" ]; then rm -f "$link"; fi
done
