#!/bin/sh
# Installs what wslgpu itself needs on this machine: setup.sh [lab|test]
#
# Distribution packages that are missing, then .venv from requirements.txt, every file in it checked by hash. With
# "lab" also what disposable nodes need, with "test" what the tests need besides, .venv-checkov among it. Says what it
# does; does nothing when nothing is missing.
set -eu
cd "$(dirname "$0")/.."

packages="python3 python3-venv openssh-client ca-certificates"
case ${1:-} in
lab | test)
    packages="$packages systemd-container mmdebstrap debian-archive-keyring iproute2 nftables gcc libc6-dev gnupg xz-utils"
    packages="$packages bubblewrap"
    ;;
esac
if [ "${1:-}" = test ]; then
    # headers that the probe's structures are compared with, a browser that opens the report, a signer, a registry's client,
    # a packer
    packages="$packages libffmpeg-nvenc-dev directx-headers-dev chromium minisign skopeo zstd"
    # the manifests' reader; one from elsewhere will do, which Ubuntu needs, having none
    command -v kubectl >/dev/null || packages="$packages kubernetes-client"
fi

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing=""
for package in $packages; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
    "install ok installed") ;;
    *) missing="$missing $package" ;;
    esac
done
if [ -n "$missing" ]; then
    echo "== apt: installing$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 install --no-install-recommends $missing
fi

python=${PYTHON:-python3}
"$python" - <<'CHECK' || exit 2
import sys
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit(f"wslgpu: Python {sys.version.split()[0]} is not supported; set PYTHON to a 3.10 to 3.13")
CHECK

# environment FOLDER REQUIREMENTS: makes FOLDER anew where requirements, Python or this place are not what it was made of
environment() {
    wanted="$(pwd) $(sha256sum "$2" | cut -d' ' -f1) $("$python" -c 'import sys; print(sys.version)' | head -n 1)"
    if [ -f "$1/wslgpu-installed" ] && [ "$(cat "$1/wslgpu-installed")" = "$wanted" ]; then return; fi
    echo "== pip: $1 from $2 ($(grep -c '^[a-z].*==' "$2") packages, by hash)"
    rm -rf "$1"
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
        --only-binary :all: -r "$2"
    if [ "$1" = .venv ]; then
        site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        pwd >"$site/wslgpu.pth"
        printf '#!/bin/sh\nexec "%s/.venv/bin/python" -m wslgpu.cli "$@"\n' "$(pwd)" >.venv/bin/wslgpu
        chmod 755 .venv/bin/wslgpu
    fi
    echo "$wanted" >"$1/wslgpu-installed"
}

environment .venv requirements.txt
if [ "${1:-}" = test ]; then
    # checkov asks for an older packaging than the tools in .venv
    environment .venv-checkov tests/checkov/requirements.txt
fi
