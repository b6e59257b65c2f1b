# shellcheck shell=sh
# video_cdi_spec.sh PROGRAM OWNER KIND SERVICE: one pass of the installed program; a unit that failed before is settled.
"$1" once "$2" "$3"
systemctl reset-failed "$4" 2>/dev/null || true
