# shellcheck shell=sh
# apt_key.sh KEY_URL FINGERPRINT KEYRING TIMEOUT_S [FILE]: fetch a repository's key, compare its fingerprint, put it in
# place. FILE, named by its sha256 in a folder INCOMING, was sent from a bundle: then nothing is fetched.
# include: download.sh
# include: openpgp.sh
# include: bundle_files.sh
url=$1 fingerprint=$2 keyring=$3 timeout=$4
work=$(mktemp -d) || fail platform "cannot write in /tmp" "Free space there, or make it writable."
trap 'rm -rf "$work"' EXIT
command -v gpg >/dev/null || fail platform "there is no gpg to check the key with" "Run the base task, or install gnupg."
received=${5:-}
if [ -n "$received" ]; then
    folder=$(dirname "$(dirname "$received")") received=$(basename "$received")
    take_in "$folder" "$received"
    cp "$folder/files/$received" "$work/key"
else
    download_file "$url" "$work/key" "$timeout" "fetching the repository's key"
fi
keys=$(primary_keys "$work/key")
[ -n "$keys" ] || fail integrity "what $url sends is no OpenPGP key" "Look at the address in a browser; a proxy may answer in its place."
[ "$(echo "$keys" | wc -l)" = 1 ] ||
    fail integrity "$url sends $(echo "$keys" | wc -l) keys: $(echo "$keys" | cut -d' ' -f1 | tr '\n' ' ')" "One key is expected."
read -r found validity expires <<KEY
$keys
KEY
if [ "$found" != "$fingerprint" ]; then
    before=$(primary_keys "$keyring" | cut -d' ' -f1 | tr '\n' ' ')
    fail integrity "the key at $url has the fingerprint $found, and the data say $fingerprint; the node has ${before:-none}" \
        "Compare with the vendor's page; if the key was changed there, set container_toolkit_key_fingerprint."
fi
case $validity in
e) fail integrity "the key $found at $url has expired on $(date -u -d "@$expires" +%Y-%m-%d)" \
    "Check the node's clock; else wait for the vendor's new key. Nothing was installed." ;;
r) fail integrity "the key $found at $url is revoked" "Ask the vendor. Nothing was installed." ;;
esac
if head -c 11 "$work/key" | grep -q -e '-----BEGIN'; then
    gpg --homedir "$work" --batch --no-autostart --yes --dearmor --output "$work/ring" "$work/key" 2>/dev/null ||
        fail integrity "the key at $url cannot be read" "Look at the address in a browser."
else
    cp "$work/key" "$work/ring"
fi
[ "$(primary_keys "$work/ring" | cut -d' ' -f1)" = "$fingerprint" ] ||
    fail internal "the key changed while it was converted" "Run it again."
sum=$(sha256sum <"$work/ring" | cut -d' ' -f1)
base64 "$work/ring" >"$work/ring.base64"
put_file "$keyring" 644 root:root "$sum" <"$work/ring.base64"
rm -rf "$work"
if [ -n "$received" ]; then give_up "$folder" "$received"; fi
