# shellcheck shell=sh
# oci_image_pull.sh NAMESPACE REFERENCE NAME DIGEST SIZE_BYTES RESERVE_BYTES TIMEOUT_S REGISTRY_URL
#
# Pull REFERENCE (repository@digest) through containerd's certs.d, make sure that containerd holds all of it under
# that digest, then let NAME (repository:tag) stand for it. REGISTRY_URL is asked for Retry-After when the registry
# says that it is busy.
namespace=$1 reference=$2 name=$3 digest=$4 size=$5 reserve=$6 timeout=$7 registry=$8
tries=4
longest_wait_s=60

held() { # NAME: the digest of an image whose content is all there
    timeout 60 ctr --namespace "$namespace" images check "name==$1" 2>/dev/null |
        while read -r _name _type held_digest status _rest; do
            case $held_digest in
            sha256:*) if [ "$status" = complete ]; then echo "$held_digest"; fi ;;
            esac
        done
}

# the compressed image, its unpacked layers at about twice that, and what must stay free
enough_space() {
    needed=$((size * 3 + reserve))
    place=/var/lib/containerd
    if [ ! -d "$place" ]; then place=/var/lib; fi
    free=$(df --output=avail -B1 "$place" | tail -n 1 | tr -d ' ')
    [ "$free" -ge "$needed" ] ||
        fail platform "$name needs $((needed / 1000000)) MB on $place, and $((free / 1000000)) MB are free" \
            "Free space there, or name fewer images in cuda_images."
}

# what the registry asks to wait, in seconds; empty when it says nothing
asked_wait() {
    repository=${reference%@*}
    curl -sS -m 20 -o /dev/null -D - "$registry/v2/${repository#*/}/manifests/$digest" 2>/dev/null |
        tr -d '\r' | sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9][0-9]*\)$/\1/p' | head -n 1
}

explain() { # the end of ctr's output decides what went wrong
    last=$(tr '\r' '\n' <"$log" | grep -v '^ *$' | tail -n 1 | cut -c1-400)
    case $last in
    *"unexpected commit digest"* | *"failed size validation"*)
        fail integrity "the registry served other bytes than $digest for $name: $last" \
            "Nothing was kept. Check the mirror in containerd_mirrors, and the digest in the pins." ;;
    *"no such host"* | *"server misbehaving"*)
        fail "network retryable" "no name server knows the registry of $name: $last" \
            "Check /etc/resolv.conf on the node, or name a mirror in containerd_mirrors." ;;
    *"not found"*)
        fail platform "no registry has $reference: $last" \
            "Check the digest in the pins: wslgpu pins resolve asks the registry for the tag's present one." ;;
    *"no space left"*)
        fail platform "the disk filled up while pulling $name" "Free space under /var/lib/containerd." ;;
    *x509* | *certificate*)
        fail integrity "the registry's certificate is not trusted: $last" \
            "Behind a proxy that opens TLS, name the company's authorities in ca_file." ;;
    *)
        fail "network retryable" "$name cannot be pulled: ${last:-no word from ctr}" "Run it again." ;;
    esac
}

[ "$(held "$reference")" = "$digest" ] || enough_space
if [ -r /etc/wslgpu/proxy.env ]; then
    set -a
    # shellcheck disable=SC1091
    . /etc/wslgpu/proxy.env
    set +a
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT

try=1
while [ "$(held "$reference")" != "$digest" ]; do
    status=0
    timeout "$timeout" ctr --namespace "$namespace" images pull --hosts-dir /etc/containerd/certs.d \
        "$reference" >"$log" 2>&1 || status=$?
    if [ "$status" = 0 ]; then break; fi
    if [ "$status" = 124 ]; then
        fail "network retryable" "$name was not here after $timeout s" \
            "Run it again: what arrived is kept. Raise download_timeout_s on a slow line."
    fi
    if [ "$try" -ge "$tries" ]; then explain; fi
    case $(tail -c 2000 "$log") in
    *"unexpected commit digest"* | *"no such host"* | *"no space left"* | *"not found"* | *x509*)
        # one more try tells a passing fault from a lasting one
        if [ "$try" -ge 2 ]; then explain; fi
        wait_s=1 ;;
    *": 429 "* | *": 503 "* | *"Too Many Requests"* | *"Service Unavailable"*)
        wait_s=$(asked_wait)
        wait_s=${wait_s:-$((2 << try))} ;;
    *) wait_s=$((1 << try)) ;;
    esac
    if [ "$wait_s" -gt "$longest_wait_s" ]; then
        fail "network retryable" "the registry of $name asks to wait for $wait_s s" "Run it again after that."
    fi
    sleep "$wait_s"
    try=$((try + 1))
done

[ "$(held "$reference")" = "$digest" ] ||
    fail integrity "containerd does not hold all of $digest after the pull of $name" "Run it again."
timeout 60 ctr --namespace "$namespace" images tag --force "$reference" "$name" >/dev/null
[ "$(held "$name")" = "$digest" ] ||
    fail platform "containerd does not let $name stand for $digest" "Look at: ctr --namespace $namespace images ls"
