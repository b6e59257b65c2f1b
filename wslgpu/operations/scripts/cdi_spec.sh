# shellcheck shell=sh disable=SC2154
# cdi_spec.sh own|refresh MODE: the CDI spec nvidia.com/gpu, ours or by NVIDIA's refresh unit.
#
# own: made by nvidia-ctk, checked, and put at /etc/cdi/nvidia.yaml.
# refresh: ours is removed, the units are enabled, and the unit makes /var/run/cdi/nvidia.yaml, which is checked.
# include: gpu_spec.sh
work=$(mktemp -d) || fail platform "cannot write in /tmp" "Free space there, or make it writable."
trap 'rm -rf "$work"' EXIT

hold_specs
gpu_generate "$2"
if [ "$1" = own ]; then
    gpu_put
    exit 0
fi

checked "$work/generated" "$gpu_kind" all
if ours "$gpu_ours"; then rm -f "$gpu_ours"; fi
for unit in nvidia-cdi-refresh.path "$gpu_service"; do
    # made when the unit was elsewhere: systemd takes it for enabled, and a node from nothing has another
    for link in /etc/systemd/system/*.wants/"$unit"; do
        if [ -L "$link" ] && [ ! -e "$link" ]; then rm -f "$link"; fi
    done
    systemctl is-enabled --quiet "$unit" || systemctl enable --quiet "$unit" 2>/dev/null ||
        fail platform "the unit $unit cannot be enabled: it is $(systemctl is-enabled "$unit" 2>&1 | head -n 1)" \
            "systemctl unmask $unit, if it was masked on purpose by somebody; then run again."
done
systemctl is-active --quiet nvidia-cdi-refresh.path || systemctl start nvidia-cdi-refresh.path || true
gpu_trigger
