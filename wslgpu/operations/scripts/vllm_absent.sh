# shellcheck shell=sh
# vllm_absent.sh STOP FILE...: take away a form of vLLM. STOP: yes where nothing of it is to run on.
stop=$1
shift
unit=wslgpu-vllm.service
if [ "$stop" = yes ]; then
    systemctl --quiet disable "$unit" 2>/dev/null || true
    timeout 150 systemctl stop "$unit" 2>/dev/null ||
        [ "$(systemctl show "$unit" --property=LoadState --value)" = not-found ] ||
        fail timeout "$unit does not stop" "journalctl -u $unit says more."
fi
rm -f -- "$@" || fail platform "cannot remove $*" "Check the file system."
# folders of ours, where nothing of somebody else's is in them
for folder in /etc/wslgpu/vllm /etc/wslgpu/compose/vllm /etc/wslgpu/compose; do
    rmdir "$folder" 2>/dev/null || true
done
systemctl daemon-reload
systemctl reset-failed "$unit" 2>/dev/null || true
if command -v podman >/dev/null; then podman secret rm wslgpu-vllm-api-key >/dev/null 2>&1 || true; fi
