#!/bin/sh
# A bare Linux node becomes a WSL2 GPU node and is proven to be one, in a disposable lab on this machine.
set -eu
cd "$(dirname "$0")/.."
name=${1:-demo-$$}
began=$(date +%s)
second=$(mktemp "${TMPDIR:-/tmp}/wslgpu-demo-XXXXXX")

step() {
    printf '\n== [%s/5, %s s] %s\n' "$1" "$(($(date +%s) - began))" "$2"
}

finish() {
    status=$?
    trap - EXIT
    # what was made is taken away whole, however impatient somebody is
    trap '' INT TERM HUP
    step 5 "Take the lab down: nothing stays running"
    .venv/bin/wslgpu lab down --name "$name" || status=1
    case $status in
    0)
        printf '\nDone in %s s: provisioned, unchanged on the second run, verified, and taken down.\n' \
            "$(($(date +%s) - began))"
        ;;
    129 | 130 | 143) printf '\nInterrupted.\n' >&2 ;;
    *)
        cat "$second" >&2
        printf '\nThe demo failed; what is above says where.\n' >&2
        ;;
    esac
    rm -f "$second"
    exit "$status"
}

step 1 "Make a node in the shape of WSL2 (stand-in driver, real systemd, sshd, apt, containerd)"
if [ -e "${WSLGPU_LAB_DIR:-/var/lib/wslgpu-lab}/$name" ]; then
    rm -f "$second"
    echo "wslgpu: there is a lab '$name' already. Take it down first: .venv/bin/wslgpu lab down --name $name" >&2
    exit 2
fi
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
.venv/bin/wslgpu lab up --name "$name"

step 2 "Provision it over ssh with deploy.py"
.venv/bin/wslgpu apply --lab "$name"

step 3 "Apply again: nothing may change"
.venv/bin/wslgpu apply --lab "$name" --json >"$second"
.venv/bin/python - "$second" <<'CHECK'
import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
hosts = json.loads(path.read_text())["hosts"]
for name, host in hosts.items():
    print(f"{name}: {host['unchanged']} found in place, {len(host['changed'])} changed {host['changed'] or ''}")
if any(host["changed"] for host in hosts.values()) or not hosts:
    sys.exit(1)
path.write_text("")
CHECK

step 4 "Verify it with the suites of tests/node"
.venv/bin/wslgpu verify --lab "$name"
