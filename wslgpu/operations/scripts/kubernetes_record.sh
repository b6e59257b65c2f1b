# shellcheck shell=sh
# kubernetes_record.sh WORDS: note what wslgpu is about to make of this node.
mkdir -p /var/lib/wslgpu || fail platform "cannot write in /var/lib" "Free space there, or make it writable."
printf '%s\n' "$1" >/var/lib/wslgpu/kubernetes.new
sync /var/lib/wslgpu/kubernetes.new
mv -fT /var/lib/wslgpu/kubernetes.new /var/lib/wslgpu/kubernetes
