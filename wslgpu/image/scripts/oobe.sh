#!/bin/sh
# Made by wslgpu. Runs when the distro is opened for the first time, as root: makes the user that WSL then starts as.
# WSL takes the uid from oobe.defaultUid in /etc/wsl-distribution.conf. It may be run again at any time.
#
# The name comes from WSLGPU_USER, or from a line on standard input; a person at a terminal is asked for it, and for a
# password. Without a terminal none is set: `wsl --user root passwd NAME` does that later.
set -eu
uid=1000
groups="adm cdrom sudo dip plugdev"

say() { printf '%s\n' "$*" >&2; }

# Groups that this distribution has, with commas.
there() {
    found=
    for group in $groups; do
        if getent group "$group" >/dev/null; then found=${found:+$found,}$group; fi
    done
    printf '%s' "$found"
}

# A user that an earlier run, or cloud-init, made gets the groups that a cut may have left out.
settle() {
    name=$(getent passwd "$uid" | cut -d: -f1)
    usermod --append --groups "$(there)" "$name"
    say "The user $name is there."
    exit 0
}

# user-data may make the user; it would lose a race with us
if [ -d /run/systemd/system ] && command -v cloud-init >/dev/null; then
    say "Waiting for cloud-init, which may make the user (5 minutes at most)."
    timeout 300 cloud-init status --wait >/dev/null 2>&1 || true
fi
if getent passwd "$uid" >/dev/null; then settle; fi

valid() { printf '%s' "$1" | LC_ALL=C grep -Eqx '[a-z_][a-z0-9_-]{0,30}'; }

make() {
    if ! valid "$1"; then
        say "A user's name has small letters, digits, - and _, and begins with a letter: not '$1'."
        return 1
    fi
    if getent passwd "$1" >/dev/null; then
        say "There is a user $1 already, of the system itself."
        return 1
    fi
    useradd --create-home --user-group --shell /bin/bash --uid "$uid" --groups "$(there)" "$1"
}

if [ -n "${WSLGPU_USER:-}" ]; then
    make "$WSLGPU_USER"
    say "No password is set: wsl --user root passwd $WSLGPU_USER"
    exit 0
fi
if [ ! -t 0 ]; then
    # the last line may have no end
    read -r name || [ -n "$name" ] || {
        say "Nobody can be asked for a user's name here. Give it: WSLGPU_USER=NAME $0"
        exit 1
    }
    make "$name"
    say "No password is set: wsl --user root passwd $name"
    exit 0
fi
say "Choose a name for your Linux user. It need not be that of Windows."
while :; do
    printf 'Name: ' >&2
    read -r name || exit 1
    if make "$name"; then break; fi
done
until passwd "$name"; do say "Once more, or end with Ctrl-C: the user is there, without a password."; done
