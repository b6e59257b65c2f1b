# shellcheck shell=sh disable=SC2154
# removal_packages.sh LOCK_TIMEOUT_S RELEASE... -- PURGE...: release our holds, then purge exactly these packages, with
# their configuration. What else apt would do, such as taking along a package that depends on one of them, is refused
# before it begins. Every step can be repeated after a kill at any point.
lock_timeout=$1
shift
holds=/var/lib/wslgpu/apt-holds
# include: apt_patience.sh

status() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || echo not-installed; }
purge() {
    apt-get -q -y --no-install-recommends -o "DPkg::Lock::Timeout=$lock_timeout" -o Dpkg::Use-Pty=0 \
        -o APT::Get::AutomaticRemove=false -o Dpkg::Options::=--force-confdef "$@"
}

if [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ] || [ -n "$(dpkg --audit 2>&1 | head -n 1)" ]; then
    patiently dpkg --force-confdef --force-confold --configure -a ||
        fail platform "dpkg was interrupted, and cannot be brought to its end" "See the output above; dpkg --configure -a."
fi
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
    if [ "$(dpkg-query -W -f='${db:Status-Want}' "$1" 2>/dev/null)" = hold ]; then
        patiently apt-mark unhold "$1" || fail platform "the hold of $1 cannot be released" "apt-mark unhold $1"
    fi
    if [ -f "$holds" ] && grep -qE "^$1 " "$holds"; then
        _new=$(mktemp "$holds.XXXXXX")
        grep -vE "^$1 " "$holds" >"$_new" || true
        chmod 644 "$_new"
        mv -f "$_new" "$holds"
    fi
    shift
done
shift
names=""
for name in "$@"; do
    if [ "$(status "$name")" != not-installed ]; then names="$names $name"; fi
done
if [ -z "$names" ]; then exit 0; fi
# shellcheck disable=SC2086
patiently purge -s purge $names || fail platform "apt cannot purge$names" "See the output above."
others=$(awk -v names="$names" '
    BEGIN { split(names, list, " "); for (i in list) own[list[i]] = 1 }
    $1 == "Remv" || $1 == "Purg" || $1 == "Inst" { name = $2; sub(/:.*/, "", name)
        if (!($2 in own) && !(name in own)) print ($1 == "Inst" ? "+" : "-") $2 }' "$log" | sort -u | tr '\n' ' ')
if [ -n "$others" ]; then
    fail safety "purging$names would change other packages: $others" "Nothing was purged. Look at what needs what: apt-get -s purge$names"
fi
# shellcheck disable=SC2086
patiently purge purge $names || fail platform "apt could not purge$names" "See the output above; then run again."
for name in $names; do
    [ "$(status "$name")" = not-installed ] || fail platform "$name is $(status "$name") after it was purged" "See the output above."
    rm -f "/var/cache/apt/archives/${name%%:*}"_*.deb
done
