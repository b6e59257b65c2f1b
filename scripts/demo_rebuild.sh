#!/bin/sh
# A node is made from a lock, drifts, is repaired, is made once more elsewhere, compared, and everything is taken away
# again; then the same data become a .wsl image, twice, to one sha256, which boots. WSLGPU_DEMO_IMAGE=no leaves that out.
set -eu
cd "$(dirname "$0")/.."
name=${1:-demo-rebuild-$$}
booted="$name-image"
wslgpu=.venv/bin/wslgpu
labs=${WSLGPU_LAB_DIR:-/var/lib/wslgpu-lab}
began=$(date +%s)
times=""
work=$(mktemp -d "${TMPDIR:-/tmp}/wslgpu-demo-XXXXXX")

step() {
    now=$(($(date +%s) - began))
    times="$times
$now $1"
    printf '\n== [%s/10, %s s] %s\n' "$1" "$now" "$2"
}

finish() {
    status=$?
    trap - EXIT
    # what was made is taken away whole, however impatient somebody is
    trap '' INT TERM HUP
    step 10 "Take the labs down: nothing stays running"
    for lab in "$name" "$booted"; do
        if [ -e "$labs/$lab" ]; then $wslgpu lab down --name "$lab" || status=1; fi
    done
    rm -rf "$work"
    case $status in
    0)
        printf '\nDone in %s s. Steps took:' "$(($(date +%s) - began))"
        printf '%s\n' "$times" | awk 'NF { if (step) printf " %s: %s s,", step, $1 - at; step = $2; at = $1 } END { print "" }'
        ;;
    129 | 130 | 143) printf '\nInterrupted.\n' >&2 ;;
    *) printf '\nThe demo failed; what is above says where.\n' >&2 ;;
    esac
    exit "$status"
}

# ends CODE COMMAND...: the command has to end with this code
ends() {
    expected=$1
    shift
    code=0
    "$@" || code=$?
    if [ "$code" != "$expected" ]; then
        echo "wslgpu: it should have ended with $expected, and ended with $code: $*" >&2
        exit 1
    fi
}

# on NODE COMMAND: as root on one of the lab's nodes
on() {
    $wslgpu lab exec --name "$name" "$@"
}

for lab in "$name" "$booted"; do
    if [ -e "$labs/$lab" ]; then
        rm -rf "$work"
        echo "wslgpu: there is a lab '$lab' already. Take it down first: $wslgpu lab down --name $lab" >&2
        exit 2
    fi
done
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

step 1 "Make three bare nodes in the shape of WSL2, and resolve a lock for them"
$wslgpu lab up --name "$name" --nodes 3 --lock
lock="$labs/$name/wslgpu.lock.yml"

step 2 "The lock: everything that a node gets, by version and hash"
sed -n '1,12p' "$lock"
echo "..."
awk '/^ *index: / { packages++ } /^ *digest: / { images++ } END {
    print packages " packages with sha256, of these the distribution'"'"'s own minimum too; " images " images and artifacts by digest"
}' "$lock"
ls -l "$lock"
$wslgpu lock --lab "$name" --check --to "$lock"

step 3 "Provision the first node from it"
$wslgpu apply --lab "$name" --limit node1
$wslgpu diff node1 --lab "$name"

step 4 "Let it drift: a file edited, a file removed, packages moved to another version"
on node1 "echo '# edited by hand' >>/etc/systemd/system/wslgpu-cdi-refresh.service
    rm /etc/apt/preferences.d/wslgpu-container-toolkit
    apt-mark unhold libnvidia-container1 libnvidia-container-tools nvidia-container-toolkit nvidia-container-toolkit-base
    apt-get install -qy --allow-downgrades libnvidia-container1=1.18.1-1 libnvidia-container-tools=1.18.1-1 \
        nvidia-container-toolkit=1.18.1-1 nvidia-container-toolkit-base=1.18.1-1 2>&1 | tail -n 1"
ends 1 $wslgpu diff node1 --lab "$name"

step 5 "Repair it: apply puts back what the lock and the data say"
$wslgpu apply --lab "$name" --limit node1
$wslgpu diff node1 --lab "$name"

step 6 "Make it once more elsewhere: another machine, another name, later; and compare every path and package"
$wslgpu apply --lab "$name" --limit node2
$wslgpu diff node1 node2 --lab "$name" --all

step 7 "Remove everything from the second node, and compare it with the bare third one"
$wslgpu remove --lab "$name" --limit node2
ends 2 $wslgpu diff node2 --lab "$name"
$wslgpu diff node2 node3 --lab "$name" --all

step 8 "Make a .wsl image from the same data, twice: one sha256"
if [ "${WSLGPU_DEMO_IMAGE:-yes}" = no ]; then
    echo "left out, as asked"
else
    mkdir "$work/one" "$work/two"
    $wslgpu image build --site "$labs/$name/site.yml" --lock "$lock" --to "$work/one/node.wsl"
    (
        umask 077
        TZ=Asia/Tokyo LC_ALL=C $wslgpu image build --site "$labs/$name/site.yml" --lock "$lock" --to "$work/two/node.wsl"
    )
    (cd "$work" && sha256sum one/node.wsl two/node.wsl && ls -l one)
    cmp "$work/one/node.wsl" "$work/two/node.wsl"
    $wslgpu image validate "$work/one/node.wsl"
fi

step 9 "Boot a node from the image, as WSL makes a distro of it"
if [ "${WSLGPU_DEMO_IMAGE:-yes}" = no ]; then
    echo "left out, as asked"
else
    $wslgpu lab up --name "$booted" --image "$work/one/node.wsl"
    $wslgpu diff --lab "$booted"
    $wslgpu check --lab "$booted" --workload cuda
fi
