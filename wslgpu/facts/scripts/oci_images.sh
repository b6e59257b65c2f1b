# shellcheck shell=sh
# oci_images.sh NAMESPACE: what containerd holds there. Prints "containerd yes|no", then per image:
# "image NAME DIGEST complete|incomplete".
if ! command -v ctr >/dev/null || ! timeout 20 ctr version >/dev/null 2>&1; then
    echo "containerd no"
    exit 0
fi
echo "containerd yes"
timeout 60 ctr --namespace "$1" images check 2>/dev/null | while read -r name _type digest status _rest; do
    case $digest in
    sha256:*) ;;
    *) continue ;;
    esac
    if [ "$status" = complete ]; then
        echo "image $name $digest complete"
    else
        echo "image $name $digest incomplete"
    fi
done
