# shellcheck shell=sh
# oci_images.sh NAMESPACE: what containerd holds.
#   image NAME DIGEST COMPLETE UNPACKED     from "ctr images check": complete or incomplete, true or false
# The columns of ctr: REF TYPE DIGEST STATUS SIZE UNPACKED, where STATUS and SIZE have spaces in them.
echo "wslgpu-oci-images"
command -v ctr >/dev/null || exit 0
echo "answers $(timeout 10 ctr version >/dev/null 2>&1 && echo yes || echo no)"
timeout 60 ctr --namespace "$1" images check 2>/dev/null |
    awk 'NR > 1 && $3 ~ /^sha256:/ { print "image", $1, $3, $4, $NF }'
