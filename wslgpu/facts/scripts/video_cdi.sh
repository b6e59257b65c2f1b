# shellcheck shell=sh
# video_cdi.sh KIND PROGRAM SPEC UNIT...: what is installed of the video device, all CDI specs, and what its spec would
# be now; "KEY VALUE" lines, see facts/video_cdi.py.
kind=$1
program=$2
place=$3
shift 3
echo "wslgpu-video-cdi"
if [ -c /dev/dxg ]; then echo "gpu dxg"; fi
if [ -f "$program" ]; then echo "file $program $(stat -c '%a %U:%G' "$program") $(sha256sum <"$program" | cut -d' ' -f1)"; fi
for unit in "$@"; do
    file=/etc/systemd/system/$unit
    if [ -e "$file" ]; then echo "file $file $(stat -c '%a %U:%G' "$file") $(sha256sum <"$file" | cut -d' ' -f1)"; fi
    # both commands say their word and end with another status for most of them
    enabled=$(systemctl is-enabled "$unit" 2>/dev/null || true)
    active=$(systemctl is-active "$unit" 2>/dev/null || true)
    reload=$(systemctl show --property=NeedDaemonReload --value "$unit" 2>/dev/null || true)
    echo "unit $unit ${enabled:-none} ${active:-none} ${reload:-no}"
done
for spec in /etc/cdi/*.yaml /etc/cdi/*.json /var/run/cdi/*.yaml /var/run/cdi/*.json; do
    [ -f "$spec" ] || continue
    echo "spec $spec $(stat -c '%a %U:%G' "$spec") $(head -c 4000000 "$spec" | base64 -w 0)."
done
sed -nE 's/^[[:space:]-]*hostPath:[[:space:]]*(.*)$/\1/p' "$place" 2>/dev/null | while read -r path; do
    if [ ! -e "$path" ]; then echo "gone $path"; fi
done
[ -x "$program" ] || exit 0
"$program" held 2>/dev/null | sed 's/^/held /'
if made=$("$program" print "$kind" 2>/dev/null); then
    echo "made $(printf '%s' "${made:+$made
}" | base64 -w 0)."
else
    echo "refused $("$program" print "$kind" 2>&1 >/dev/null | tail -n 1 | cut -c1-400)"
fi
