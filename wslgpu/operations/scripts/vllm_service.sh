# shellcheck shell=sh
# vllm_service.sh WANTED ENABLE DEADLINE_S: wslgpu-vllm.service, running with its files as they are now, or stopped.
#
# WANTED: running or stopped. ENABLE: yes for a unit that systemctl enables; a quadlet's is by its own [Install].
wanted=$1 enable=$2 deadline_s=$3
unit=wslgpu-vllm.service

systemctl daemon-reload
if [ "$(systemctl show "$unit" --property=LoadState --value)" != loaded ]; then
    # the generator says on its own what it cannot read
    reason=$(/usr/lib/systemd/system-generators/podman-system-generator --dryrun 2>&1 >/dev/null | tail -n 3 | tr '\n' ' ' | cut -c1-400)
    fail platform "systemd knows no $unit: ${reason:-$(systemctl show "$unit" --property=LoadError --value)}" \
        "Look at the file that it names."
fi
if [ "$wanted" = stopped ]; then
    if [ "$enable" = yes ]; then systemctl --quiet disable "$unit" 2>/dev/null || true; fi
    timeout 150 systemctl stop "$unit" || fail timeout "$unit does not stop" "journalctl -u $unit says more."
    systemctl reset-failed "$unit" 2>/dev/null || true
    exit 0
fi
if [ "$enable" = yes ]; then systemctl --quiet enable "$unit"; fi
systemctl reset-failed "$unit" 2>/dev/null || true
reason() {
    # without a line of our own, and without control characters
    journalctl --unit="$unit" --since="@$since" --lines=60 --output=cat --no-pager 2>/dev/null |
        grep -iE 'error|denied|unknown|invalid|refused|no such|in use' | tail -n 2 | tr '\n\t' '  ' | cut -c1-500
}
since=$(date +%s)
if ! timeout "$deadline_s" systemctl restart "$unit" 2>/dev/null; then
    why=$(reason)
    systemctl stop "$unit" || true
    fail platform "$unit does not start: ${why:-the journal says nothing}" "journalctl -u $unit says more; it is stopped now."
fi
# a container that ends at once is started again and again: look at it for a while
while [ $(($(date +%s) - since)) -lt 600 ]; do
    state=$(systemctl is-active "$unit" || true)
    case $state in
        active)
            up=$(systemctl show "$unit" --property=ActiveEnterTimestampMonotonic --value)
            now=$(awk '{ printf "%.0f", $1 * 1000000 }' /proc/uptime)
            if [ $((now - up)) -ge 5000000 ]; then exit 0; fi
            sleep 1
            ;;
        *)
            why=$(reason)
            systemctl stop "$unit" || true
            fail platform "$unit starts and ends again: ${why:-the journal says nothing}" "journalctl -u $unit says more; it is stopped now."
            ;;
    esac
done
fail timeout "$unit does not settle" "journalctl -u $unit says more."
