# shellcheck shell=sh
# kubernetes_kernel.sh SWAP_OFF MODULE... -- KEY=VALUE...: what holds until the next start; files keep it after that.
swap_off=$1
shift
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
    modprobe "$1" || fail platform "the kernel module $1 cannot be loaded" "modprobe $1 by hand says why; dmesg too."
    shift
done
shift
for pair in "$@"; do
    path=/proc/sys/$(echo "${pair%%=*}" | tr . /)
    # a key that came with no module was said to be missing
    if [ ! -e "$path" ]; then continue; fi
    echo "${pair#*=}" >"$path" 2>/dev/null ||
        fail platform "${pair%%=*} cannot be set to ${pair#*=}" "Look at $path: another security setting may keep it."
done
if [ "$swap_off" = yes ]; then
    swapoff -a 2>/dev/null || true
    if [ "$(sed 1d /proc/swaps | wc -l)" != 0 ]; then
        fail platform "swap cannot be turned off: $(sed 1d /proc/swaps | cut -d' ' -f1 | tr '\n' ' ')" \
            "Free memory, or set kubernetes_swap to auto; on WSL2, swap=0 under [wsl2] in .wslconfig and wsl --shutdown."
    fi
fi
