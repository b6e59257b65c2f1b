# shellcheck shell=sh
# wsl_files.sh DATA_DIR: /etc/wsl.conf, .wslconfig, and what of them can be seen in the running system.
# Contents are base64, so that line ends, marks and oddities arrive as they are; "-" stands for no such file.
echo "wslgpu-wsl-files"

content() { # FILE
    if [ -f "$1" ] && [ -r "$1" ]; then
        head -c 65536 "$1" | base64 -w 0
        [ -s "$1" ] || printf '='
    else
        printf '%s' -
    fi
}

kind=$(stat -c %F /etc/wsl.conf 2>/dev/null | tr ' ' '-' || true)
echo "conf ${kind:-none} $(stat -c '%a %U:%G %Y' /etc/wsl.conf 2>/dev/null)"
echo "conf-content $(content /etc/wsl.conf)"
echo "at-start-content $(content /run/wslgpu/wsl.conf.at-start)"
echo "rendered-content $(content "$1/wslconfig")"

# When process 1 began, from the boot time and its start in clock ticks: the file's time is compared with it.
started=$(sed 's/.*) //' /proc/1/stat | cut -d' ' -f20)
booted=$(sed -n 's/^btime //p' /proc/stat)
echo "started $((booted + started / $(getconf CLK_TCK 2>/dev/null || echo 100)))"
echo "booted $booted"
echo "pid1 $(cat /proc/1/comm)"
echo "hostname $(cat /proc/sys/kernel/hostname)"
echo "cgroup $(stat -f -c %T /sys/fs/cgroup 2>/dev/null)"
signals=$(grep -ci microsoft /proc/sys/kernel/osrelease || true)
for sign in /dev/dxg /run/WSL /proc/sys/fs/binfmt_misc/WSLInterop /proc/sys/fs/binfmt_misc/WSLInterop-late; do
    if [ -e "$sign" ]; then signals=$((signals + 1)); fi
done
echo "signals $signals"
if [ -e /proc/sys/fs/binfmt_misc/WSLInterop ] || [ -e /proc/sys/fs/binfmt_misc/WSLInterop-late ]; then
    echo "interop yes"
else
    echo "interop no"
fi

# Windows' drives are mounted under one letter each; wsl.conf may have moved them from /mnt. A profile that is not
# this Windows user's own cannot be listed: WSL reaches the drive with that user's rights.
cut -d' ' -f5 /proc/self/mountinfo | grep '/[a-z]$' | while read -r drive; do
    if [ ! -d "$drive/Users" ]; then continue; fi
    echo "drive $drive"
    for profile in "$drive"/Users/*; do
        case ${profile##*/} in
        Public | Default | "Default User" | "All Users" | defaultuser* | WDAGUtilityAccount | '*') continue ;;
        esac
        if [ -d "$profile" ] && ls "$profile" >/dev/null 2>&1; then
            file=$profile/.wslconfig
            echo "profile $(stat -c %Y "$file" 2>/dev/null || echo 0) $(content "$file") $profile"
        fi
    done
done
echo "end"
