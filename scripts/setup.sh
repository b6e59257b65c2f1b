#!/bin/sh
# Installs what wslgpu itself needs on this machine: setup.sh [lab|test]
#
# Distribution packages that are missing, then .venv from requirements.txt, every file in it checked by hash. With
# "lab" also what disposable nodes need, with "test" what the tests need besides. Says what it does; does nothing when
# nothing is missing.
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

wanted="$(pwd) $(sha256sum requirements.txt | cut -d' ' -f1) $("$python" -c 'import sys; print(sys.version)' | head -n 1)"
if [ ! -f .venv/wslgpu-installed ] || [ "$(cat .venv/wslgpu-installed)" != "$wanted" ]; then
    echo "== pip: .venv from requirements.txt ($(grep -c '^[a-z].*==' requirements.txt) packages, by hash)"
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
        --only-binary :all: -r requirements.txt
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    pwd >"$site/wslgpu.pth"
    printf '#!/bin/sh\nexec "%s/.venv/bin/python" -m wslgpu.cli "$@"\n' "$(pwd)" >.venv/bin/wslgpu
    chmod 755 .venv/bin/wslgpu
    echo "$wanted" >.venv/wslgpu-installed
fi
