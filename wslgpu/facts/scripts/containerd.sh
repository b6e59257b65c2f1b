# shellcheck shell=sh
# containerd.sh DEFAULT_RUNTIME: one "KEY VALUE" line each; see wslgpu/facts/containerd.py.
echo "wslgpu-containerd"
# shellcheck disable=SC2016
dpkg-query -W -f='package ${Package} ${Version} ${db:Status-Status}\n' containerd containerd.io 2>/dev/null |
    awk '$4 == "installed" { print $1, $2, $3 }'
# shellcheck disable=SC2016
if dpkg-query -W -f='${Conffiles}' containerd 2>/dev/null | grep -q /etc/containerd/config.toml; then
    echo "debian-packaged yes"
fi
version=$(containerd --version 2>/dev/null | cut -d' ' -f3) || version=""
version=${version#v}
echo "version ${version:--}"
echo "cgroup $(stat -fc %T /sys/fs/cgroup 2>/dev/null || echo -)"
# bit 24 of the bounding set: CAP_SYS_RESOURCE, which lowering an OOM score needs
bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/1/status)
echo "sys-resource $(((0x$bounding >> 24) & 1))"
if [ -f /etc/containerd/config.toml ] && [ ! -L /etc/containerd/config.toml ]; then
    echo "config $(base64 -w 0 /etc/containerd/config.toml)."
fi
for hosts in /etc/containerd/certs.d/*/hosts.toml; do
    if [ -f "$hosts" ] && head -n 1 "$hosts" | grep -q '^# Made by wslgpu'; then echo "hosts $hosts"; fi
done
if [ -e /var/lib/wslgpu/containerd-last-good ]; then echo "unfinished yes"; fi
[ -n "$version" ] || exit 0

drop_in=/etc/containerd/conf.d/99-nvidia.toml
if ! command -v nvidia-ctk >/dev/null; then
    echo "drop-in no-toolkit"
elif [ ! -f "$drop_in" ]; then
    echo "drop-in missing"
else
    stage=$(mktemp -d)
    trap 'rm -rf "$stage"' EXIT
    if [ -f /etc/containerd/config.toml ]; then cp /etc/containerd/config.toml "$stage/config.toml"; fi
    set -- "$1" --runtime=containerd "--config=$stage/config.toml" "--drop-in-config=$stage/conf.d/99-nvidia.toml"
    if [ "$1" = yes ]; then set -- "$@" --set-as-default; fi
    case $version in 1.[0-6].*) ;; *) set -- "$@" --cdi.enabled ;; esac
    shift
    if nvidia-ctk --quiet runtime configure "$@" >/dev/null 2>&1 &&
        cmp -s "$stage/conf.d/99-nvidia.toml" "$drop_in"; then
        echo "drop-in same"
    else
        echo "drop-in differs"
    fi
fi

# before containerd 2.0 a file in conf.d replaces a plugin's whole section: is ours still there when all is merged?
if containerd config dump 2>/dev/null | grep -qE "config_path = ['\"]/etc/containerd/certs.d['\"]"; then
    echo "merged yes"
fi

echo "enabled $(systemctl is-enabled containerd 2>/dev/null || true)"
echo "active $(systemctl is-active containerd 2>/dev/null || true)"
# does the running one know its files? An older start than a file's change, or a unit that systemd has not reread.
started=$(systemctl show containerd --property=ExecMainStartTimestamp --value --timestamp=us+utc 2>/dev/null) || started=""
if [ "$(systemctl show containerd --property=NeedDaemonReload --value 2>/dev/null)" = yes ]; then
    echo "stale unit"
elif [ -n "$started" ] && [ "$started" != n/a ]; then
    find /etc/containerd/config.toml /etc/containerd/conf.d /etc/systemd/system/containerd.service.d \
        /etc/wslgpu/proxy.env -newermt "$started" ! -newermt "+1 minute" 2>/dev/null | sed -n '1s/^/stale /p'
fi
