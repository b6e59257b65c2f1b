# shellcheck shell=sh
# bundle_image.sh FOLDER NAMESPACE REPOSITORY TAG DIGEST MEDIA_TYPE SIZE_OF_DIGEST NEEDED_BYTES SHA256...: bring an image
# that was sent into containerd's store, under its digest and its tag.
#
# What was sent is written as an OCI layout and imported; content that containerd has already is not in it.
# include: bundle_files.sh
folder=$1 namespace=$2 repository=$3 tag=$4 digest=$5 media_type=$6 size=$7 needed=$8
shift 8
reference=$repository@$digest
name=$repository:$tag
log=$(mktemp) || fail platform "cannot write in /tmp" "Free space there, or make it writable."
trap 'rm -f "$log"' EXIT
image() { ctr --namespace "$namespace" images "$@"; }
last() { tr '\r' '\n' <"$log" | grep '^ctr: ' | tail -n 1 | sed 's/^ctr: //' | cut -c1-400; }
whole() {
    image check "name==$1" 2>/dev/null |
        awk -v ref="$1" -v digest="$digest" '$1 == ref && $3 == digest && $4 == "complete" && $NF == "true" { found = 1 }
            END { exit !found }'
}

ctr version >/dev/null 2>&1 || fail platform "containerd does not answer" "systemctl status containerd; run the containerd task."
take_in "$folder" "$@"
root=$(containerd config dump 2>/dev/null | sed -nE "s/^root = ['\"]([^'\"]+)['\"]/\1/p")
root=${root:-/var/lib/containerd}
while [ ! -d "$root" ]; do root=$(dirname "$root"); done
free=$(($(df --output=avail -k "$root" | tail -n 1) * 1024))
[ "$free" -ge "$needed" ] ||
    fail platform "$name needs $needed bytes in $root (three times its size, and the reserve), and $free are free" "Free space there."

if ! whole "$reference" || ! whole "$name"; then
    layout=$folder/layout
    rm -rf "$layout"
    mkdir -p "$layout/blobs/sha256" || fail platform "cannot write in $folder" "Free space there."
    for sum in "$@"; do ln -f "$folder/files/$sum" "$layout/blobs/sha256/$sum" || fail platform "cannot write in $folder" "Free space there."; done
    echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
    row() { printf '{"mediaType":"%s","digest":"%s","size":%s,"annotations":{"io.containerd.image.name":"%s"}}' "$media_type" "$digest" "$size" "$1"; }
    printf '{"schemaVersion":2,"manifests":[%s,%s]}\n' "$(row "$reference")" "$(row "$name")" >"$layout/index.json"
    local=""
    if image import --help 2>&1 | grep -q -e '--local'; then local=--local; fi
    # shellcheck disable=SC2086
    tar -C "$layout" -cf - oci-layout index.json blobs | image import $local --platform linux/amd64 - >"$log" 2>&1 || {
        if grep -qiE 'no space left|disk quota' "$log"; then
            fail platform "no space left while $name was imported" "Free space in $root. The part that came is no image."
        fi
        fail integrity "containerd does not take $name: $(last)" "Run it again; then wslgpu bundle verify looks at the bundle."
    }
    rm -rf "$layout"
fi
for one in "$reference" "$name"; do
    whole "$one" || fail integrity "containerd does not hold $one whole after the import" "Run it again; see ctr -n $namespace images check."
done
give_up "$folder" "$@"
