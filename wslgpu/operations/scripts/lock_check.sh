# shellcheck shell=sh disable=SC2034,SC2154
# lock_check.sh URI KEY_URL FINGERPRINT TIMEOUT_S NAME=VERSION...
#
# Whether the archives of this machine still have these versions. Prints, after what lock_apt.sh prints:
#   has NAME VERSION SHA256       as an index lists it
#   newest NAME VERSION           what apt would choose today; no line where no archive has the package
uri=${1%/} key_url=$2 fingerprint=$3 timeout=$4
shift 4
wanted=$*
export wanted
# include: lock_apt.sh
for specification in "$@"; do echo "${specification%%=*} ${specification#*=}"; done >"$work/locked"
cat "$work"/packages.* | awk -v locked="$work/locked" '
    BEGIN { while ((getline line < locked) > 0) want[line] = 1 }
    function show() { if ((name " " version) in want) print "has", name, version, sum }
    /^$/ { show(); name = version = sum = ""; next }
    /^Package: / { name = $2 }
    /^Version: / { version = $2 }
    /^SHA256: / { sum = $2 }
    END { show() }' | sort -u
# shellcheck disable=SC2046
apt-cache policy $(cut -d' ' -f1 "$work/locked") | awk '
    /^[^ ]/ { name = $1; sub(/:$/, "", name) }
    /^  Candidate: / && $2 != "(none)" { print "newest", name, $2 }'
