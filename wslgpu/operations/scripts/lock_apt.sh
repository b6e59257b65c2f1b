# shellcheck shell=sh
# Included by lock_resolve.sh and lock_check.sh, which set uri, key_url, fingerprint and timeout: apt in a folder of its
# own ($work), with the machine's sources, keyrings and way out of the network, an empty dpkg status, no preferences and
# no hooks. Nothing of the machine is changed. Prints one line each:
#   distribution ID VERSION_ID
#   key SHA256 SIZE                           the repository's key as it was fetched
#   index NUMBER URI SUITE SHA256 SIGNERS     SIGNERS: fingerprints with commas, or -; SHA256 of InRelease (or Release)
#   release NUMBER DATE|ORIGIN|LABEL
# and leaves each index as $work/packages.NUMBER, and the numbers in $work/indexes.
# include: apt_messages.sh
# shellcheck disable=SC2154
rehold() { :; }
without_password() { printf '%s' "$1" | sed 's,://[^/@]*@,://,'; }
work=$(mktemp -d) || fail platform "cannot write in /tmp" "Free space there, or make it writable."
trap 'rm -rf "$work"' EXIT
log=$work/log
for below in lists/partial archives/partial parts sources; do mkdir -p "$work/$below"; done
: >"$work/status"
# the way out of the network only: all else of the machine's apt could run hooks, or leave signatures unread
{
    apt-config dump |
        grep -E '^Acquire::(https?|ftp|Check-Valid-Until|Check-Date|Max-ValidTime|ForceIPv4|ForceIPv6)[: ].*;$' || true
    cat <<CONFIGURATION
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "$work/parts";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$work/sources";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$work/parts";
Dir::State "$work";
Dir::State::Lists "$work/lists";
Dir::State::Status "$work/status";
Dir::State::extended_states "$work/extended_states";
Dir::Cache "$work";
Dir::Cache::Archives "$work/archives";
Dir::Cache::PkgCache "pkgcache.bin";
Dir::Cache::SrcPkgCache "srcpkgcache.bin";
Dir::Log "$work";
APT::Sandbox::User "root";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::GzipIndexes "false";
CONFIGURATION
} >"$work/apt.conf"
APT_CONFIG=$work/apt.conf
export APT_CONFIG

# the machine's sources, but for those that name the toolkit's repository: that has one source, with the pinned key
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    case $file in
    *.list) awk -v uri="$uri" '!index($0, uri)' "$file" >"$work/sources/${file##*/}" ;;
    *) awk -v uri="$uri" 'BEGIN { RS = ""; ORS = "\n\n" } !index($0, uri)' "$file" >"$work/sources/${file##*/}" ;;
    esac
done
if [ -f "$work/sources/sources.list" ]; then mv "$work/sources/sources.list" "$work/sources/0.list"; fi
if [ -n "$key_url" ]; then
    command -v gpg >/dev/null || fail platform "there is no gpg to check the repository's key with" "Install gnupg, or run the base task first."
    timeout "$timeout" /usr/lib/apt/apt-helper download-file "$key_url" "$work/key" >"$log" 2>&1 ||
        explain "fetching the repository's key"
    keys=$(primary_keys "$work/key" | cut -d' ' -f1 | tr '\n' ' ')
    [ "$keys" = "$fingerprint " ] ||
        fail integrity "the key at $key_url has the fingerprint ${keys:-of no OpenPGP key}, and the data say $fingerprint" \
            "Compare with the vendor's page; nothing was resolved."
    ring=$work/key.gpg
    if head -c 11 "$work/key" | grep -q -e '-----BEGIN'; then ring=$work/key.asc; fi
    cp "$work/key" "$ring"
    echo "deb [arch=amd64 signed-by=$ring] $uri /" >"$work/sources/zz-wslgpu.list"
    echo "key $(sha256sum <"$work/key" | cut -d' ' -f1) $(wc -c <"$work/key" | tr -d ' ')"
fi
# shellcheck disable=SC1091
(. /etc/os-release && echo "distribution $ID ${VERSION_ID:-unknown}")

if ! timeout "$timeout" apt-get -q update >"$log" 2>&1 || says '^(W: (Failed|An error|GPG)|E:)'; then
    explain "fetching the package lists"
fi
# shellcheck disable=SC2016
apt-get indextargets --format '$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(FILENAME)|$(BASE_URI)' |
    awk -F'|' '$1 == "Packages"' >"$work/targets" || true
: >"$work/indexes"
number=0
while IFS='|' read -r _kind address suite file base; do
    # a source may have user and password in it, which are nobody else's
    address=$(without_password "$address") base=$(without_password "$base")
    /usr/lib/apt/apt-helper cat-file "$file" >"$work/packages.$number" 2>/dev/null || continue
    # the Release file's name in the lists is its address without the scheme, quoted, with _ for /
    stem=$(printf '%s' "${base#*://}" |
        sed 's/%/%25/g; s/_/%5f/g; s/~/%7e/g; s/=/%3d/g; s/!/%21/g; s/@/%40/g; s/\$/%24/g; s/&/%26/g; s/\*/%2a/g' | tr / _)
    release=""
    for name in "${stem}InRelease" "${stem}Release" "${stem}._InRelease" "${stem}._Release"; do
        if [ -f "$work/lists/$name" ]; then release=$work/lists/$name; break; fi
    done
    [ -n "$release" ] || fail internal "apt has no Release file for $address $suite" "See $base."
    signers=""
    signature=$release
    if [ -f "$release.gpg" ]; then signature=$release.gpg; fi
    if command -v gpg >/dev/null; then
        mkdir -p "$work/gnupg"
        chmod 700 "$work/gnupg"
        signers=$(sed -n "/^-----BEGIN PGP SIGNATURE/,\$p" "$signature" |
            gpg --homedir "$work/gnupg" --batch --no-autostart --list-packets 2>/dev/null |
            sed -n 's/.*issuer fpr v[0-9]* \([0-9A-F]*\)).*/\1/p' | sort -u | tr '\n' ',' | sed 's/,$//') || signers=""
    fi
    if [ "$suite" = "" ]; then suite=/; fi
    echo "index $number $address $suite $(sha256sum <"$release" | cut -d' ' -f1) ${signers:--}"
    awk -v number="$number" '
        /^$/ && date != "" { exit }
        /^Date: / { date = substr($0, 7) }
        /^Origin: / { origin = substr($0, 9) }
        /^Label: / { label = substr($0, 8) }
        END { print "release " number " " date "|" origin "|" label }' "$release"
    echo "$number" >>"$work/indexes"
    number=$((number + 1))
done <"$work/targets"
[ -s "$work/indexes" ] || fail platform "this machine has no package source" "See /etc/apt/sources.list.d."
