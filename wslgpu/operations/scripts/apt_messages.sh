# shellcheck shell=sh
# Included by apt_packages.sh: what the words of apt and dpkg, collected in $log, mean.
# include: openpgp.sh
# shellcheck disable=SC2154
says() { grep -qE "$1" "$log"; }
words() { grep -oE "$1" "$log" | sort -u | tr '\n' ' ' | sed 's/ $//'; }
address() { grep -E '^(E|W|Err)' "$log" | grep -oE "https?://[^ ,']+" | head -n 1 | sed 's/:$//'; }

# The keyring that a source's Signed-By names, and the fingerprints in it.
keyring_of() {
    _site=$(printf '%s' "$1" | cut -d/ -f1-3)
    for _file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ -f "$_file" ] || continue
        awk -v site="$_site" 'BEGIN { RS = "" } index($0, site)' "$_file" |
            sed -nE 's/^[Ss]igned-[Bb]y:[[:space:]]*(\/[^ ]+).*/\1/p; s/.*signed-by=(\/[^], ]+).*/\1/p'
    done | head -n 1
}
fingerprints() { primary_keys "$1" | cut -d' ' -f1 | tr '\n' ' ' | sed 's/ $//'; }

# Ends with what the log's words mean. $1: what was being done.
explain() {
    rehold
    at=$(address | sed 's,/\./InRelease$,,') || at=""
    if says "Conflicting values set for option Signed-By"; then
        uri=$(sed -nE 's/.*regarding source ([^ ]+) .*/\1/p' "$log" | head -n 1)
        files=$(grep -lF "${uri%/}" /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | tr '\n' ' ')
        fail platform "two sources with different keys name $uri: $files" "Remove one of the two files."
    elif says "wslgpu: the transfer"; then
        fail "network retryable" "$1: $(words 'the transfer .*')" \
            "Check the connection, or raise download_timeout_s in site.yml; then run again."
    elif says "Could not resolve|failure resolving|wicked happened resolving"; then
        fail "network retryable" "$1: DNS gives no address for $(grep -oE "resolv[a-z]* '[^']+'" "$log" | cut -d"'" -f2 | sort -u | tr '\n' ' ')" \
            "Mend name resolution (/etc/resolv.conf), then run again."
    elif says "not valid yet"; then
        left=$(sed -nE 's/.*invalid for another ([^)]*)\).*/\1/p' "$log" | head -n 1)
        seconds=$(echo "$left" | awk '{ for (i = 1; i <= NF; i++) { n = $i + 0; u = substr($i, length($i))
            if ($i ~ /min$/) u = "m"; s += n * (u == "d" ? 86400 : u == "h" ? 3600 : u == "m" ? 60 : 1) } print s }')
        fail "platform retryable" "the node's clock is at least $seconds s behind the archive's at $at" \
            "Set the clock (on WSL2: wsl --shutdown, or hwclock -s), then run again."
    elif says "is expired \(invalid since"; then
        fail "platform retryable" "the index at $at is past its validity" \
            "Check the node's clock; else the mirror is stale: wait, or use another."
    elif says "NO_PUBKEY|Missing key|BADSIG|EXPKEYSIG|KEYEXPIRED|REVKEYSIG|expired|manipulated|is not signed|no longer signed|signature verification|Failed to parse keyring"; then
        keyring=$(keyring_of "$at")
        present=$(fingerprints "$keyring")
        detail=$(sed -nE 's/.*(NO_PUBKEY|Missing key|BADSIG|EXPKEYSIG|KEYEXPIRED|REVKEYSIG) ([0-9A-F]{16,40}).*/\1 \2/p' "$log" | head -n 1)
        case $detail in
        EXP* | KEYEXP*) what="the key ${detail#* } that signs it has expired" ;;
        NO_* | Missing*) what="it is signed by another key: ${detail##* }" ;;
        REV*) what="the key ${detail#* } that signs it is revoked" ;;
        *) what="its signature is bad, missing or expired" ;;
        esac
        fail integrity "the repository $at is refused: $what; ${keyring:-no keyring} holds ${present:-no key}" \
            "Compare the fingerprint with the vendor's page. Nothing was installed from it."
    elif says "Hash Sum mismatch|unexpected size"; then
        fail integrity "$1: what $at sent has another hash than the signed index says" \
            "It was thrown away. A proxy or mirror alters it: try later, or another mirror."
    elif says "[Cc]ertificate|handshake|SSL connection failed"; then
        fail integrity "$1: the TLS connection to $at cannot be trusted: $(words "[^:]*([Cc]ertificate|handshake|SSL routines)[^.[]*" | cut -c1-120)" \
            "Behind a proxy that opens TLS, name the company's CA as ca_file in site.yml."
    elif says "No space left|enough free space"; then
        fail platform "$1: no space left for apt" "Free space in /var; df -h and df -i show where."
    elif says "Read-only file system"; then
        fail platform "$1: the file system is read-only" "See dmesg; repair it, then run again."
    elif says "does not have a Release file| 404 | 403 "; then
        fail platform "$1: $at is not there ($(words '(403|404)  [A-Za-z ]+'))" "Check the address of this source."
    elif says "Could not connect|Connection |Unable to connect|unreachable|timed out|[45][0-9][0-9]  [A-Z]|Failed to fetch"; then
        fail "network retryable" "$1: $at: $(words 'connect \([^)]*\)|Connection [a-z ]+|[45][0-9][0-9]  [A-Za-z ]+|timed out' | cut -c1-120)" \
            "Check the connection and the proxy, then run again."
    elif says "parsing file '/var/lib/dpkg/updates|/var/lib/dpkg/(status|updates).* (parse|damaged|contains)"; then
        fail platform "dpkg cannot read $(words '/var/lib/dpkg/(updates/[0-9]+|status)')" \
            "Look at it; if it is garbage, move it away (mv FILE /root/), run dpkg --configure -a, then run again."
    elif says "remove is disabled"; then
        fail platform "installing $wanted would remove $(sed -n '/REMOVED:/,/^[^ ]/p' "$log" | grep '^  ' | xargs)" \
            "Nothing is swapped unasked: remove it yourself, or name the package you want in site.yml."
    elif says "Held packages were changed|held broken packages|unmet dependencies"; then
        fail platform "$wanted cannot be installed beside what is there: $(words '[^ ]+ : (Pre-)?Depends: .*' | cut -c1-300); held by somebody else: $(foreign_holds)" \
            "apt-mark unhold what blocks it, bring the node's own packages up to date (apt-get upgrade), or choose versions that fit."
    elif says "were downgraded"; then
        fail safety "$wanted would downgrade other packages" "Set allow_downgrade: true in site.yml if that is meant."
    elif says "dpkg was interrupted"; then
        fail platform "dpkg is interrupted and could not be configured" "Run dpkg --configure -a by hand and see what it says."
    fi
    fail platform "$1: $(grep -E '^(E:|dpkg: error)' "$log" | head -n 1 | cut -c1-300)" "See the output above."
}
