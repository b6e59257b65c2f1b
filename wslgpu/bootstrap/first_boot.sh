#!/bin/sh
# Makes this distro a GPU node; cloud-init runs it at each start until it is done.
#
#   first_boot.sh bundle SOURCE SHA256 LOCK   SOURCE: a file of the distro, a file of Windows (C:\...), or a URL
#   first_boot.sh clone URL COMMIT LOCK       URL: of a git repository
#
# LOCK is the sha256 of the wslgpu.lock.yml that the node is to be at, or "-" for the one that is in there. site.yml beside
# this script becomes the project's; for a clone wslgpu.lock.yml beside it as well. Begins again wherever it was cut off.
# What is done is written down, and not done again. Ends with 0, or with wslgpu's code for what went wrong.
set -eu
umask 022

here=${WSLGPU_BOOTSTRAP_DIR:-/opt/wslgpu-bootstrap}
log=${WSLGPU_BOOTSTRAP_LOG:-/var/log/wslgpu-bootstrap.log}
HOME=${HOME:-/root}
LC_ALL=C.UTF-8
export HOME LC_ALL

# say WORDS...: on the console and in cloud-init's own log, and in ours; by printf, since echo takes C:\b for a backspace
say() {
    printf 'wslgpu: %s\n' "$*" >&3
    printf '== %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"
}

# fail CODE WHAT NEXT
fail() {
    printf 'wslgpu: %s. %s\n' "$2" "$3"
    exit "$1"
}

sha256_of() {
    sha256sum <"$1" | cut -d' ' -f1
}

# put SOURCE PATH: the file is there whole or as it was
put() {
    cp "$1" "$2.new"
    mv -f "$2.new" "$2"
}

# located SOURCE SHA256: sets $bundle, a file with that hash
located() {
    case $1 in
    http://* | https://*)
        bundle=$here/bundle.tar
        if [ ! -f "$bundle" ] || [ "$(sha256_of "$bundle")" != "$2" ]; then
            say "getting $1"
            python3 "$here/fetch.py" "$1" "$bundle.part" ||
                fail 2 "$1 could not be fetched" "What came is kept, and the rest is fetched at the next start."
            if [ "$(sha256_of "$bundle.part")" != "$2" ]; then
                rm -f "$bundle.part"
                fail 1 "what $1 gave has not the sha256 $2" "Compare the user-data with the bundle; nothing was unpacked."
            fi
            mv -f "$bundle.part" "$bundle"
        fi
        return
        ;;
    [A-Za-z]:*) bundle=$(wslpath -au "$1") || fail 2 "wslpath does not know $1" "Is that drive mounted in this distro?" ;;
    *) bundle=$1 ;;
    esac
    [ -f "$bundle" ] || fail 2 "there is no file $bundle" "Put the bundle there, and start the distro again."
    say "comparing $bundle with its sha256"
    [ "$(sha256_of "$bundle")" = "$2" ] ||
        fail 1 "$bundle has not the sha256 $2" "Copy the bundle anew, or make the user-data for this one."
}

from_bundle() {
    located "$1" "$2"
    node=$here/node-$(printf %.12s "$2")
    if [ ! -d "$node" ]; then
        say "unpacking its project"
        rm -rf "$here/.unpacked"
        mkdir "$here/.unpacked"
        # images and packages stay in the bundle: they are read from there
        tar --extract --no-same-owner --file "$bundle" --directory "$here/.unpacked" \
            bootstrap.sh project wheels wslgpu.lock.yml ||
            fail 1 "$bundle is no bundle of wslgpu" "Make one: wslgpu bundle make."
        mv "$here/.unpacked" "$node"
    fi
    if [ "$3" != - ] && [ "$(sha256_of "$node/wslgpu.lock.yml")" != "$3" ]; then
        fail 1 "the bundle is of another lock than $3" "Make bundle and user-data from one lock."
    fi
    if [ -f "$here/site.yml" ]; then put "$here/site.yml" "$node/project/site.yml"; fi
    say "provisioning from the bundle"
    sh "$node/bootstrap.sh" "$bundle"
    # one that was fetched can be fetched again, and is large; Windows' drive keeps its own
    rm -f "$here/bundle.tar"
}

from_clone() {
    node=$here/node-$(printf %.12s "$2")
    if ! command -v git >/dev/null || ! command -v make >/dev/null; then
        say "installing git and make"
        apt-get -q -o DPkg::Lock::Timeout=300 update
        DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
            install --no-install-recommends git make ca-certificates ||
            fail 2 "git and make could not be installed" "Start the distro again with a network."
    fi
    if [ ! -d "$node" ]; then
        say "getting commit $2 of $1"
        rm -rf "$here/.unpacked"
        git init -q "$here/.unpacked/project"
        # some servers give no commit by its name unless a branch ends there
        git -C "$here/.unpacked/project" fetch -q --depth 1 "$1" "$2" ||
            git -C "$here/.unpacked/project" fetch -q "$1" '+refs/heads/*:refs/wslgpu/*' '+refs/tags/*:refs/tags/*' ||
            fail 2 "$1 could not be fetched" "Start the distro again with a network, or correct the user-data."
        git -C "$here/.unpacked/project" checkout -q --detach "$2" ||
            fail 1 "$1 has no commit $2" "Correct the user-data."
        mv "$here/.unpacked" "$node"
    fi
    [ "$(git -C "$node/project" rev-parse HEAD)" = "$2" ] ||
        fail 1 "$node/project is not at commit $2" "Remove $node, and start the distro again."
    if [ -f "$here/site.yml" ]; then put "$here/site.yml" "$node/project/site.yml"; fi
    if [ -f "$here/wslgpu.lock.yml" ]; then put "$here/wslgpu.lock.yml" "$node/project/wslgpu.lock.yml"; fi
    if [ "$3" != - ] && [ "$(sha256_of "$node/project/wslgpu.lock.yml")" != "$3" ]; then
        fail 1 "the lock in $node/project is another than $3" "Make the user-data anew with --lock."
    fi
    say "provisioning with make node"
    make -C "$node/project" node
}

run() {
    mkdir -p "$here"
    exec 9>"$here/.run"
    flock -n 9 || fail 2 "another run is in progress" "Wait for it: cloud-init status --wait"
    if [ -f "$here/done" ] && [ "$(cat "$here/done")" = "$*" ]; then
        say "this node is at its lock already ($here/done)"
        return
    fi
    case $1 in
    bundle) from_bundle "$2" "$3" "$4" ;;
    clone) from_clone "$2" "$3" "$4" ;;
    *) fail 2 "there is no way $1" "bundle or clone" ;;
    esac
    for older in "$here"/node-*; do
        [ "$older" = "$node" ] || rm -rf "$older"
    done
    ln -sfn "$(basename "$node")/project" "$here/project"
    printf '%s\n' "$*" >"$here/done.new"
    mv -f "$here/done.new" "$here/done"
    say "done: wslgpu is $here/project/.venv/bin/wslgpu"
}

if [ $# != 4 ]; then
    echo "usage: first_boot.sh bundle SOURCE SHA256 LOCK | first_boot.sh clone URL COMMIT LOCK" >&2
    exit 2
fi
if [ "$(id -u)" != 0 ]; then
    echo "wslgpu: $0 changes this machine and needs root. Run it with sudo." >&2
    exit 2
fi
# it may name what a company keeps to itself: root's and adm's, as cloud-init's own
(umask 027 && : >>"$log")
code=0
# a shell of its own, for set -e: it does not hold in a function that is called in a condition
(
    set -eu
    run "$@"
) 3>&1 >>"$log" 2>&1 &
wait $! || code=$?
if [ "$code" != 0 ]; then
    echo "wslgpu: this distro was not provisioned ($code). The log $log ends with:" >&2
    tail -n 20 "$log" >&2
    {
        printf 'wslgpu: it is tried again at the next start, or now with: sudo sh %s' "$0"
        printf " '%s'" "$@"
        echo
    } >&2
fi
exit "$code"
