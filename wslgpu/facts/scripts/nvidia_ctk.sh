# shellcheck shell=sh
# nvidia_ctk.sh: the toolkit's programs, its configuration and the CDI specs; "KEY VALUE" lines, see facts/nvidia_ctk.py.
echo "wslgpu-nvidia-ctk"
if [ -c /dev/dxg ]; then echo "gpu dxg"; elif [ -e /dev/nvidiactl ] || [ -e /dev/nvidia0 ]; then echo "gpu nvidia"; fi
if [ -f /etc/nvidia-container-runtime/config.toml ]; then
    echo "config $(base64 -w 0 /etc/nvidia-container-runtime/config.toml)."
fi
for spec in /etc/cdi/*.yaml /etc/cdi/*.yml /etc/cdi/*.json /var/run/cdi/*.yaml /var/run/cdi/*.yml /var/run/cdi/*.json; do
    [ -f "$spec" ] || continue
    echo "spec $spec $(stat -c '%a %U:%G' "$spec") $(head -c 4000000 "$spec" | base64 -w 0)."
    # which of the host's paths that it names are gone
    sed -nE "s/^[[:space:]-]*\"?hostPath\"?:[[:space:]]*\"?([^\",]+)\"?,?[[:space:]]*$/\1/p" "$spec" | while read -r path; do
        if [ ! -e "$path" ]; then echo "gone $spec $path"; fi
    done
done
for unit in nvidia-cdi-refresh.path nvidia-cdi-refresh.service; do
    state=$(systemctl is-enabled "$unit" 2>/dev/null || true)
    # the package moved its units in 1.20.0: a link made by an earlier one leads to nowhere
    for link in /etc/systemd/system/*.wants/"$unit"; do
        if [ -L "$link" ] && [ ! -e "$link" ]; then state=stale; fi
    done
    echo "unit $unit $state"
done
command -v nvidia-ctk >/dev/null || exit 0
echo "toolkit $(nvidia-ctk --version 2>/dev/null | sed -nE '1s/.*version ([0-9.]+).*/\1/p')"
mode=auto
if [ -c /dev/dxg ]; then mode=wsl; fi
if made=$(nvidia-ctk --quiet cdi generate "--mode=$mode" 2>/dev/null); then
    echo "generated $(printf '%s\n' "$made" | base64 -w 0)."
else
    echo "refused $(nvidia-ctk cdi generate "--mode=$mode" 2>&1 >/dev/null | tail -n 1 | cut -c1-400)"
fi
