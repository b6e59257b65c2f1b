# shellcheck shell=sh
# component_data.sh FOLDER...: what runs under containerd, and which of these folders hold data. Lines:
#   running NAMESPACE/NAME     a container that runs
#   used FOLDER                in containerd's store: content of an image; else any file
echo "wslgpu-data"
if command -v ctr >/dev/null && systemctl --quiet is-active containerd; then
    timeout 30 ctr namespaces ls -q 2>/dev/null | while read -r namespace; do
        timeout 30 ctr --namespace "$namespace" tasks ls 2>/dev/null |
            awk -v namespace="$namespace" 'NR > 1 && $3 == "RUNNING" { print "running " namespace "/" $1 }' || true
    done
fi
for folder in "$@"; do
    place=$folder
    if [ "$folder" = /var/lib/containerd ]; then place=$folder/io.containerd.content.v1.content/blobs; fi
    if [ -d "$place" ] && [ -n "$(find "$place" -type f -print -quit 2>/dev/null)" ]; then echo "used $folder"; fi
done
