# shellcheck shell=sh
# node_shape.sh DATA_DIR NAMESPACE PACKAGE...: everything that preflight judges, one "KEY VALUE" a line.
# PACKAGE... is what the deploy is going to install, for the bytes that apt has yet to fetch; "a|b" is there when either
# is. Changes nothing.
echo "wslgpu-node-shape"
data_dir=$1
namespace=$2
shift 2

echo "clock $(date +%s)"
echo "uid $(id -u)"
echo "pid1 $(cat /proc/1/comm 2>/dev/null)"
echo "kernel $(cat /proc/sys/kernel/osrelease)"
echo "machine $(uname -m)"
echo "architecture $(dpkg --print-architecture 2>/dev/null)"
sed -n 's/^\(ID\|VERSION_ID\)=/os \1 /p' /etc/os-release 2>/dev/null || true

# the signals of WSL besides the kernel's name; never an environment variable: systemd and sshd have none of them
if [ -c /dev/dxg ]; then echo "signal dxg"; fi
if [ -e /proc/sys/fs/binfmt_misc/WSLInterop ] || [ -e /proc/sys/fs/binfmt_misc/WSLInterop-late ]; then
    echo "signal interop"
fi
if [ -d /run/WSL ]; then echo "signal run-wsl"; fi
sed 's/^/mount /' /proc/self/mountinfo

# the driver: Windows' driver store may hold a thousand directories, so only those named like a GPU's are looked into
for store in /usr/lib/wsl/drivers/nv*.inf_* /usr/lib/wsl/drivers/iigd*.inf_* /usr/lib/wsl/drivers/u0*.inf_*; do
    if [ ! -d "$store" ]; then continue; fi
    if [ -e "$store/libcuda.so.1.1" ]; then echo "store cuda $store"; else echo "store none $store"; fi
done
ldconfig -p 2>/dev/null | sed -n 's/^[[:space:]]*libcuda\.so\.1 .*=> //p' | while read -r library; do
    case $(readlink -f "$library") in
    /usr/lib/wsl/*) ;;
    *) echo "linux-cuda $library $(dpkg -S "$(readlink -f "$library")" 2>/dev/null | sed 's/: .*//;q')" ;;
    esac
done

# dpkg and apt
if database=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' 2>&1); then
    echo "$database" | sed -n \
        -e '/^\(installed\|config-files\|not-installed\) /!s/^/unfinished /p' \
        -e '/^installed \(nvidia-driver\|nvidia-driver-.*\|nvidia-kernel-.*\|nvidia-dkms-.*\|nvidia-open.*\|cuda-drivers.*\|libnvidia-compute-.*\|libcuda1\) /s/^installed /linux-driver /p' \
        -e '/^installed nvidia-container-toolkit /s/^installed /toolkit /p'
else
    echo "dpkg-error $(echo "$database" | tr '\n' ' ')"
    database=
fi
for name in lib/dpkg/lock-frontend lib/dpkg/lock lib/apt/lists/lock cache/apt/archives/lock; do
    inode=$(stat -c %i "/var/$name" 2>/dev/null) || continue
    awk -v inode="$inode" '$2 == "POSIX" && $6 ~ ":" inode "$" { print $5 }' /proc/locks | while read -r process; do
        if [ "$process" -gt 0 ] && readlink "/proc/$process/fd/"* 2>/dev/null | grep -qx "/var/$name"; then
            echo "apt-lock $process $(cat "/proc/$process/comm" 2>/dev/null) /var/$name"
        fi
    done
done
missing=
for package in "$@"; do
    pattern=$(echo "$package" | sed 's/[.+]/\\&/g; s/|/\\|/g')
    if ! echo "$database" | grep -q "^installed \($pattern\) "; then missing="$missing ${package%%|*}"; fi
done
for package in $missing; do echo "missing $package"; done
newest=$(find /var/lib/apt/lists -maxdepth 1 -name '*Release' -printf '%C@\n' 2>/dev/null | sort -n | tail -n 1)
echo "lists ${newest%%.*}"
if [ -n "$missing" ] && [ -n "$newest" ]; then
    for package in $missing; do
        if ! apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then
            missing=$(echo "$missing " | sed "s/ $package / /")
            echo "unlisted $package"
        fi
    done
    # shellcheck disable=SC2086
    apt-get install --print-uris -qq -y --no-install-recommends -o Debug::NoLocking=1 $missing 2>/dev/null |
        awk '$3 ~ /^[0-9]+$/ { bytes += $3 } END { printf "fetch %.0f\n", bytes }'
fi

# room, on each file system that something is written to
real_data_dir=$(readlink -m "$data_dir")
echo "data-dir $real_data_dir"
for path in / /var/lib /var/lib/containerd /var/cache/apt "$real_data_dir"; do
    there=$path
    while [ ! -d "$there" ]; do there=$(dirname "$there"); done
    echo "room $(stat -c %d "$there") $(stat -f -c '%a %S %d %c' "$there") $path"
done

# another run: who, and whether its connection or one of its commands still lives (as run_lock.sh tells it)
if read -r run process started since owner 2>/dev/null </run/wslgpu/lock && [ "$run" != "$WSLGPU_RUN" ]; then
    now=$(sed 's/.*) //' "/proc/$process/stat" 2>/dev/null | cut -d' ' -f20)
    if [ "$now" = "$started" ] || grep -qz "^WSLGPU_RUN=$run\$" /proc/[0-9]*/environ 2>/dev/null; then
        echo "run-lock $since $owner"
    fi
fi

if [ -d /run/systemd/system ]; then
    echo "systemd $(timeout 20 systemctl is-system-running 2>/dev/null)"
    timeout 20 systemctl list-units --state=failed --plain --no-legend 2>/dev/null | awk '{ print "failed-unit " $1 }'
fi

docker=$(command -v docker || true)
case $(readlink -f "$docker" 2>/dev/null) in
/mnt/wsl/*) echo "docker-desktop $docker" ;;
esac
for file in /root/.docker/config.json /home/*/.docker/config.json; do
    if grep -q '"credsStore"[[:space:]]*:[[:space:]]*"desktop' "$file" 2>/dev/null; then echo "docker-desktop $file"; fi
done

if command -v ctr >/dev/null && [ -S /run/containerd/containerd.sock ]; then
    timeout 20 ctr --namespace "$namespace" images ls 2>/dev/null | awk 'NR > 1 { print "image " $1 " " $3 }'
fi
echo "end"
