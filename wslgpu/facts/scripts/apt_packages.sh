# shellcheck shell=sh
# apt_packages.sh NAME...: what dpkg knows of each package, and which holds are recorded as ours.
#   package NAME VERSION STATUS WANT     as dpkg-query's db:Status-Status and db:Status-Want say
#   unmarked NAME                        ours to be marked as a dependency, which a run did not live to do
#   record NAME                          a hold of it is wslgpu's: written down, or the package is in a pin of ours
echo "wslgpu-apt-packages"
architecture=$(dpkg --print-architecture 2>/dev/null) || exit 0
# shellcheck disable=SC2016
dpkg-query -W -f='package ${Package} ${Version} ${db:Status-Status} ${db:Status-Want} ${Architecture}\n' "$@" 2>/dev/null |
    awk -v native="$architecture" '
        NF == 6 && ($6 == native || $6 == "all") { print $1, $2, $3, $4, $5 }
        NF == 5 && ($5 == native || $5 == "all") { print $1, $2, "-", $3, $4 }'
if [ -f /var/lib/wslgpu/apt-holds ]; then sed 's/^\([^ ]*\).*/record \1/' /var/lib/wslgpu/apt-holds; fi
sed -n 's/^Package: /record /p' /etc/apt/preferences.d/wslgpu-* 2>/dev/null || true
if [ -f /var/lib/wslgpu/apt-automatic ]; then sed 's/^/unmarked /' /var/lib/wslgpu/apt-automatic; fi
