# shellcheck shell=sh
# video_cdi_absent.sh SPEC PROGRAM PATH_UNIT SERVICE: take all of it away; a spec that is not ours stays.
systemctl disable --quiet --now "$3" "$4" 2>/dev/null || true
rm -f "/etc/systemd/system/$3" "/etc/systemd/system/$4" "$2"
systemctl daemon-reload
systemctl reset-failed "$3" "$4" 2>/dev/null || true
rmdir "$(dirname "$2")" 2>/dev/null || true
if [ -f "$1" ] && head -n 1 "$1" | grep -q '^# Made by wslgpu'; then rm -f "$1"; fi
