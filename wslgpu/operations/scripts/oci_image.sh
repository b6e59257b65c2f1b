# shellcheck shell=sh
# oci_image.sh NAMESPACE REPOSITORY TAG DIGEST SIZE_BYTES RESERVE_BYTES TIMEOUT_S
#
# Pull an image by its digest, look at what containerd holds then, and only after that give it its tag.
# include: download.sh
# include: watcher.sh
namespace=$1 repository=$2 tag=$3 digest=$4 size=$5 reserve=$6 timeout=$7
reference=$repository@$digest
name=$repository:$tag
log=$(mktemp) || fail platform "cannot write in /tmp" "Free space there, or make it writable."
trap 'rm -f "$log" "$log.slow"' EXIT
now() { cut -d. -f1 /proc/uptime; }
deadline=$(($(now) + timeout))
image() { ctr --namespace "$namespace" images "$@"; }
# ctr's last word is its error; what stands before is progress, and hosts that it went on from
last() { tr '\r' '\n' <"$log" | grep '^ctr: ' | tail -n 1 | sed 's/^ctr: //' | cut -c1-400; }
says() { last | grep -qiE "$1"; }

# whole REF: the name points at the digest, and all content for this architecture is there and unpacked
whole() {
    image check "name==$1" 2>/dev/null |
        awk -v ref="$1" -v digest="$digest" '$1 == ref && $3 == digest && $4 == "complete" && $NF == "true" { found = 1 }
            END { exit !found }'
}

# what the log means; returns 0 when another try may help, and $wait says when
diagnose() {
    wait=2
    if says 'no space left|disk quota'; then
        fail platform "no space left while pulling $name" "Free space in /var/lib/containerd. The part that came is no image."
    elif says 'unexpected commit digest|digest mismatch|failed size validation|unexpected digest|invalid checksum'; then
        [ "$tries" -lt 2 ] || fail integrity "$name: the registry's content has another hash than asked for: $(last)" \
            "It was refused, nothing was tagged. A mirror or proxy alters it: try another (containerd_mirrors)."
    elif says 'x509|certificate|tls: '; then
        fail integrity "$name: the TLS connection cannot be trusted: $(last)" \
            "Name the mirror's CA as ca_file in containerd_mirrors, or the company's as ca_file."
    elif says 'no such host|server misbehaving|Temporary failure in name|lookup '; then
        fail "network retryable" "$name: DNS gives no address: $(last)" "Mend name resolution (/etc/resolv.conf), then run again."
    elif says '(401|403) |unauthorized|authorization failed|forbidden|access denied'; then
        fail platform "$name: the registry refuses access: $(last)" "Check repository and mirror; private registries need a mirror without login."
    elif says 'not found'; then
        fail platform "$name: no registry has $digest: $(last)" "Check the digest; wslgpu pins resolve asks the registry for the tag's."
    elif says '429|too ?many ?requests|50[0-9] '; then
        url=$(last | grep -oE 'https?://[^ ",]+' | tail -n 1 | sed 's/:$//')
        asked=$(curl --silent --head --max-time 10 "${url:-http://0.0.0.0}" 2>/dev/null | tr -d '\r' | sed -nE 's/^[Rr]etry-[Aa]fter: *([0-9]+)$/\1/p' | tail -n 1)
        wait=${asked:-$((1 << tries))}
        if [ "$tries" -ge 4 ] || [ $(($(now) + wait)) -ge "$deadline" ]; then
            fail "network retryable" "$name: the registry refuses for now${asked:+, and asks to wait $asked s}: $(last)" "Run again later."
        fi
    elif [ "$tries" -ge 3 ]; then
        fail "network retryable" "$name: $(last)" "Check the connection, the proxy and the mirror, then run again."
    fi
}

ctr version >/dev/null 2>&1 || fail platform "containerd does not answer" "systemctl status containerd; run the containerd task."

if ! whole "$reference"; then
    root=$(containerd config dump 2>/dev/null | sed -nE "s/^root = ['\"]([^'\"]+)['\"]/\1/p")
    root=${root:-/var/lib/containerd}
    while [ ! -d "$root" ]; do root=$(dirname "$root"); done
    need=$((size * 3 + reserve))
    free=$(($(df --output=avail -k "$root" | tail -n 1) * 1024))
    [ "$free" -ge "$need" ] ||
        fail platform "$name needs $need bytes in $root (three times its size, and the reserve), and $free are free" "Free space there."
    inodes=$(df --output=iavail "$root" | tail -n 1 | tr -d ' -')
    if [ -n "$inodes" ] && [ "$inodes" != 0 ] && [ "$inodes" -lt 20000 ]; then
        fail platform "$name needs about 20000 inodes in $root, and $inodes are free" "Remove files there; df -i shows where."
    fi
    use_proxy
    tries=0
    while :; do
        tries=$((tries + 1))
        result=0
        watched $((deadline - $(now))) "$log.slow" '*/ingest/*/data' "$root/io.containerd.content.v1.content" -- \
            ctr --namespace "$namespace" images pull --platform linux/amd64 --hosts-dir /etc/containerd/certs.d \
            "$reference" >"$log" 2>&1 || result=$?
        [ "$result" != 0 ] || break
        if [ "$result" = 124 ]; then
            fail "network retryable" "$name: $(sed "s/^wslgpu: //" "$log.slow")" \
                "Run again: it goes on where it stopped. download_timeout_s in site.yml is the least deadline."
        fi
        diagnose
        sleep "$wait"
    done
    if ! whole "$reference"; then
        image rm "$reference" >/dev/null 2>&1 || true
        fail integrity "containerd does not hold $reference whole after the pull" "Run it again; ctr -n $namespace content ls shows what came."
    fi
fi
whole "$name" || image tag --force "$reference" "$name" >"$log" 2>&1 ||
    fail platform "the image could not be tagged $name: $(last)" "See what ctr images tag says by hand."
whole "$name" || fail platform "$name does not point at $digest after it was tagged" "See ctr -n $namespace images ls."
