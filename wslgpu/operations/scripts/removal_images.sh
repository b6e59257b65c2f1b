# shellcheck shell=sh
# removal_images.sh [NAMESPACE IMAGE DIGEST]...: images of ours, each only if it still is the one of this digest.
#
# containerd's CRI plugin gives each image of its namespace a second name, sha256:ID, which keeps its content; it goes when
# no other name is left for the same image.
if ! command -v ctr >/dev/null || ! systemctl --quiet is-active containerd; then exit 0; fi
list() { # NAMESPACE: lines NAME DIGEST
    timeout 30 ctr --namespace "$1" images ls | awk 'NR > 1 { print $1, $3 }' ||
        fail platform "containerd does not say which images it has" "systemctl status containerd says more."
}
remove() { # NAMESPACE NAME
    timeout 300 ctr --namespace "$1" images rm --sync "$2" >/dev/null ||
        fail platform "the image $2 cannot be removed" "ctr --namespace $1 images rm $2 says more."
}
while [ "$#" -ge 3 ]; do
    if list "$1" | grep -qxF "$2 $3"; then remove "$1" "$2"; fi
    left=$(list "$1" | awk -v digest="$3" '$2 == digest { print $1 }')
    if ! printf '%s\n' "$left" | grep -qv '^sha256:'; then
        for name in $left; do remove "$1" "$name"; done
    fi
    shift 3
done
