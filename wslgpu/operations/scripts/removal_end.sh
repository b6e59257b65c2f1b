# shellcheck shell=sh
# removal_end.sh BEFORE SHA256... | removal_end.sh BEFORE all|all-but-copies: drop copies that nobody needs any more; with
# all, everything of wslgpu's own in /var/lib/wslgpu and what runs that were cut off have left elsewhere, the manifest
# last, so that a run that was cut off is taken up.
before=$1
shift
own=/var/lib/wslgpu
case $1 in
all | all-but-copies) ;;
*)
    for name in "$@"; do rm -f "$before/$name"; done
    exit 0
    ;;
esac
if [ -L "$own" ]; then fail safety "$own is a link to $(readlink "$own")" "It is not followed; look at what is there."; fi
if [ "$1" = all ]; then rm -rf "$before"; fi
# no run of wslgpu's writes any of them now: this one holds the node's lock
find /etc /usr/local /usr/share/keyrings "$own" -xdev -type f -name '.*.wslgpu-??????' ! -path "$before/*" -delete
rm -rf /var/cache/wslgpu-bundle /usr/local/share/ca-certificates/.wslgpu-site-?????? "$own"/containerd-last-good \
    "$own"/containerd-last-good.new "$own"/manifest.json.damaged-*
rm -f "$own"/apt-holds "$own"/apt-holds.?????? "$own"/apt-lists "$own"/apt-automatic "$own"/apt-automatic.new "$own"/wslconfig "$own"/kubernetes \
    "$own"/kubernetes.new
rmdir /opt/wslgpu /usr/local/lib/wslgpu /etc/wslgpu 2>/dev/null || true
rm -f "$own"/manifest.json
rmdir "$own" 2>/dev/null || true
