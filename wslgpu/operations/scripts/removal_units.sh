# shellcheck shell=sh
# removal_units.sh [stop UNIT | enabled UNIT | disabled UNIT | masked UNIT]...: units that go are stopped and disabled;
# others get back the state that they had before.
known() { [ "$(systemctl show --property=LoadState --value "$1")" != not-found ]; }

stop() {
    timeout 150 systemctl --quiet disable --now "$1" 2>/dev/null || timeout 150 systemctl --quiet stop "$1" 2>/dev/null || true
    if systemctl --quiet is-active "$1"; then
        fail timeout "$1 does not stop" "systemctl status $1 says more."
    fi
    systemctl reset-failed "$1" 2>/dev/null || true
}

while [ "$#" -gt 1 ]; do
    if known "$2"; then
        case $1 in
        stop) stop "$2" ;;
        disabled) stop "$2" ;;
        enabled) { systemctl --quiet unmask "$2" && systemctl --quiet enable "$2"; } ||
            fail platform "$2 cannot be enabled, as it was before" "systemctl status $2 says more." ;;
        masked) { stop "$2" && systemctl --quiet mask "$2"; } ||
            fail platform "$2 cannot be masked, as it was before" "systemctl status $2 says more." ;;
        esac
    fi
    shift 2
done
