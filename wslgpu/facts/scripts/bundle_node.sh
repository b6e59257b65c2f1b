# shellcheck shell=sh
# bundle_node.sh FOLDER NAMESPACE: what a node has of what a bundle is to give it.
#   distribution ID VERSION_ID
#   received NAME SIZE      a file of an earlier, cut run in FOLDER/incoming or FOLDER/files
#   content DIGEST          in containerd's store; NAMESPACE "-" asks for none
echo "wslgpu-bundle-node"
# shellcheck disable=SC1091
(
    . /etc/os-release
    echo "distribution ${ID:-unknown} ${VERSION_ID:-}"
)
for folder in "$1/incoming" "$1/files"; do
    if [ -d "$folder" ]; then find "$folder" -maxdepth 1 -type f -printf 'received %f %s\n'; fi
done
if [ "$2" != - ] && command -v ctr >/dev/null; then
    timeout 30 ctr --namespace "$2" content ls -q 2>/dev/null | sed 's/^/content /'
fi
exit 0
