# shellcheck shell=sh
# cdi_spec.sh own|refresh MODE: the CDI spec nvidia.com/gpu, ours or by NVIDIA's refresh unit.
#
# own: made by nvidia-ctk, checked, and put at /etc/cdi/nvidia.yaml. One that NVIDIA's unit left in /var/run/cdi would
# win over it and is removed: the unit of these toolkit versions never runs here.
# refresh: ours is removed, the units are enabled, and the unit makes /var/run/cdi/nvidia.yaml, which is checked.
ours=/etc/cdi/nvidia.yaml
theirs=/var/run/cdi/nvidia.yaml
service=nvidia-cdi-refresh.service
work=$(mktemp -d) || fail platform "cannot write in /tmp" "Free space there, or make it writable."
trap 'rm -rf "$work"' EXIT

mounted() { sed -nE 's/^[[:space:]-]*hostPath:[[:space:]]*(.*)$/\1/p' "$1"; }

# checked FILE: it parses, has the kind and a device, and every path that it mounts exists.
checked() {
    grep -q '^kind: nvidia.com/gpu' "$1" ||
        fail platform "$1 is no CDI spec of nvidia.com/gpu" "See what nvidia-ctk cdi generate says by hand."
    mkdir -p "$work/dir"
    cp "$1" "$work/dir/nvidia.yaml"
    nvidia-ctk --quiet cdi list --spec-dir="$work/dir" 2>/dev/null | grep -qx 'nvidia.com/gpu=all' ||
        fail platform "the CDI spec $1 names no device nvidia.com/gpu=all" "See what nvidia-ctk cdi list says by hand."
    mounted "$1" | while read -r path; do
        [ -e "$path" ] || fail platform "the CDI spec $1 names $path, which does not exist" "On WSL2: wsl --shutdown after a driver update, then run again."
    done
}

nvidia-ctk --quiet cdi generate "--mode=$2" >"$work/generated" 2>"$work/log" ||
    fail platform "nvidia-ctk cdi generate: $(tail -n 1 "$work/log" | cut -c1-400)" "Check the driver: /usr/lib/wsl/lib/nvidia-smi, and wsl --shutdown after a driver update."
checked "$work/generated"

if [ "$1" = own ]; then
    { printf '%s\n' "# Made by wslgpu with nvidia-ctk cdi generate; made anew when the driver store or the toolkit changes."
      cat "$work/generated"; } >"$work/nvidia.yaml"
    sum=$(sha256sum <"$work/nvidia.yaml" | cut -d' ' -f1)
    if [ -f "$ours" ] && [ ! -e "$ours.wslgpu-before" ] && ! head -n 1 "$ours" | grep -q '^# Made by wslgpu'; then
        cp -p "$ours" "$ours.wslgpu-before"
    fi
    base64 "$work/nvidia.yaml" >"$work/nvidia.yaml.base64"
    put_file "$ours" 644 root:root "$sum" <"$work/nvidia.yaml.base64"
    rm -f "$theirs"
    rm -rf "$work"
    exit 0
fi

if [ -f "$ours" ] && head -n 1 "$ours" | grep -q '^# Made by wslgpu'; then rm -f "$ours"; fi
for unit in nvidia-cdi-refresh.path "$service"; do
    systemctl is-enabled --quiet "$unit" || systemctl enable --quiet "$unit" 2>/dev/null ||
        fail platform "the unit $unit cannot be enabled: it is $(systemctl is-enabled "$unit" 2>&1 | head -n 1)" \
            "systemctl unmask $unit, if it was masked on purpose by somebody; then run again."
done
systemctl is-active --quiet nvidia-cdi-refresh.path || systemctl start nvidia-cdi-refresh.path || true
systemctl reset-failed "$service" 2>/dev/null || true
refreshed=yes
timeout 60 systemctl restart "$service" 2>"$work/log" || refreshed=no
if [ "$refreshed" = no ] || [ ! -s "$theirs" ]; then
    fail platform "$service made no CDI spec: $(journalctl --unit="$service" --lines=20 --output=cat --no-pager 2>/dev/null | grep -v '^$' | tail -n 2 | tr '\n' ' ' | cut -c1-400)" \
        "systemctl status $service says more; check the driver: /usr/lib/wsl/lib/nvidia-smi."
fi
checked "$theirs"
mounted "$work/generated" | while read -r path; do
    mounted "$theirs" | grep -qxF "$path" ||
        fail platform "$theirs lacks $path right after $service has run" "See /etc/nvidia-container-toolkit/nvidia-cdi-refresh.env."
done
