# shellcheck shell=sh
# distribution.sh: distribution ID VERSION_ID
echo "wslgpu-distribution"
# shellcheck disable=SC1091
(. /etc/os-release && echo "distribution $ID ${VERSION_ID:-unknown}")
