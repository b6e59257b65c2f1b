#!/bin/sh
# Makes this machine a node at a bundle's lock, without a network: sh bootstrap.sh BUNDLE.tar [apply's options]
#
# Stands at the top of the bundle and is run where its project/, wheels/ and wslgpu.lock.yml were unpacked:
#   tar --extract --file BUNDLE.tar bootstrap.sh project wheels wslgpu.lock.yml && sudo sh bootstrap.sh BUNDLE.tar
# Makes project/.venv from the wheels, each compared with requirements.txt's hash, and applies the deploy with BUNDLE.tar.
# May be run again at any time; ends with wslgpu's exit codes.
set -eu

refuse() {
    printf 'wslgpu bootstrap: %s. %s\n' "$1" "$2" >&2
    exit 2
}

case ${1:-} in
"" | -*)
    echo "usage: sh bootstrap.sh BUNDLE.tar [options of wslgpu apply]" >&2
    exit 2
    ;;
esac
[ -f "$1" ] || refuse "there is no file $1" "Name the bundle that this folder was unpacked from."
bundle=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)
for part in project/deploy.py project/requirements.txt project/wslgpu/bootstrap/install_wheels.py wheels wslgpu.lock.yml; do
    [ -e "$here/$part" ] || refuse "$here has no $part" \
        "Unpack it: tar --extract --file $bundle bootstrap.sh project wheels wslgpu.lock.yml"
done
[ "$(id -u)" = 0 ] || refuse "it changes this machine and needs root" "Run it with sudo."
# a service of systemd has none, and ssh and git ask for it
HOME=${HOME:-/root}
export HOME

python=""
for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3.10; do
    if command -v "$candidate" >/dev/null &&
        "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || refuse "there is no Python 3.10 to 3.13" "Install the distribution's package python3."

"$python" "$here/project/wslgpu/bootstrap/install_wheels.py" --project "$here/project" --wheels "$here/wheels"
printf '== wslgpu apply local --bundle %s\n' "$bundle"
# python looks into the current folder first, and that may be somebody's clone
cd "$here/project"
exec "$here/project/.venv/bin/wslgpu" apply local --bundle "$bundle" "$@"
