# shellcheck shell=sh
# video_cdi_units.sh PATH_UNIT SERVICE: run the service at boot, and watch the driver's folders from now on.
# a run that has begun is one of the units as they were
systemctl stop "$1" "$2" 2>/dev/null || true
systemctl daemon-reload
systemctl enable --quiet "$1" "$2" 2>/dev/null ||
    fail platform "the units $1 and $2 cannot be enabled: $1 is $(systemctl is-enabled "$1" 2>&1 | head -n 1)" \
        "systemctl unmask $1 $2, if they were masked on purpose by somebody; then run again."
# what was given up in a storm of changes watches again
systemctl reset-failed "$1" "$2" 2>/dev/null || true
systemctl start "$1" || fail platform "the unit $1 does not start" "systemctl status $1 says more."
