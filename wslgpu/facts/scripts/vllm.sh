# shellcheck shell=sh
# vllm.sh PORT MODEL FILE...: one "KEY VALUE" line each; see wslgpu/facts/vllm.py. MODEL is a folder, or empty; FILE all that
# we may have put there.
echo "wslgpu-vllm"
port=$1 model=$2
shift 2
unit=wslgpu-vllm.service

version() { # the first thing that looks like a version
    grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1
}
if command -v podman >/dev/null; then
    echo "podman $(podman --version 2>/dev/null | version)"
else
    echo "podman-candidate $(apt-cache policy podman 2>/dev/null | sed -n 's/^ *Candidate: //p')"
fi
if command -v docker >/dev/null; then
    echo "docker $(timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null | version || true)"
    echo "compose $(timeout 20 docker compose version --short 2>/dev/null | version || true)"
fi
for file in "$@"; do
    if [ -e "$file" ] || [ -L "$file" ]; then echo "file $file"; fi
done
echo "load $(systemctl show "$unit" --property=LoadState --value 2>/dev/null || true)"
echo "active $(systemctl is-active "$unit" 2>/dev/null || true)"
echo "enabled $(systemctl is-enabled "$unit" 2>/dev/null || true)"
# does the running one know its files? An older start than a file's change, or a unit that systemd has not reread.
started=$(systemctl show "$unit" --property=ExecMainStartTimestamp --value --timestamp=us+utc 2>/dev/null) || started=""
if [ "$(systemctl show "$unit" --property=NeedDaemonReload --value 2>/dev/null)" = yes ]; then
    echo "stale unit"
elif [ -n "$started" ] && [ "$started" != n/a ]; then
    find "$@" -newermt "$started" ! -newermt "+1 minute" 2>/dev/null | sed -n '1s/^/stale /p'
fi
if command -v ss >/dev/null; then
    ss -Hltnp "sport = :$port" 2>/dev/null | sed -n '1s/.*users:((\("[^"]*",pid=[0-9]*\).*/port \1/p'
fi
if [ -n "$model" ]; then
    if [ -r "$model/config.json" ]; then found=there; elif [ -d "$model" ]; then found=incomplete; else found=missing; fi
    # of what is there of the path
    place=$model
    while [ ! -e "$place" ]; do place=$(dirname "$place"); done
    echo "model $found $(findmnt -no FSTYPE -T "$place" 2>/dev/null | head -n 1)"
fi
