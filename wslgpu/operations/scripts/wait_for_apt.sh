# shellcheck shell=sh
# wait_for_apt.sh TIMEOUT_S: wait until no process holds a lock of apt or dpkg, at most that long.
deadline=$(($(date +%s) + $1))
while [ "$(date +%s)" -lt "$deadline" ]; do
    held=
    for name in lib/dpkg/lock-frontend lib/dpkg/lock lib/apt/lists/lock cache/apt/archives/lock; do
        inode=$(stat -c %i "/var/$name" 2>/dev/null) || continue
        if awk -v inode="$inode" '$2 == "POSIX" && $6 ~ ":" inode "$" { found = 1 } END { exit !found }' /proc/locks; then
            held=$name
        fi
    done
    [ -n "$held" ] || exit 0
    sleep 1
done
exit 0
