# shellcheck shell=sh disable=SC2034,SC2154
# lock_resolve.sh URI KEY_URL FINGERPRINT TIMEOUT_S NAME[=VERSION]...
#
# What apt would install for these packages on an empty machine of this distribution, and for its minimal system alone.
# Prints, after what lock_apt.sh prints:
#   base NAME, and want NAME VERSION
#   stanza NUMBER, then the fields of a package of that index, then an empty line
uri=${1%/} key_url=$2 fingerprint=$3 timeout=$4
shift 4
wanted=$*
export wanted
# include: lock_apt.sh

# resolve FILE NAME...: "NAME VERSION" of everything that would be installed
resolve() {
    _to=$1
    shift
    apt-get -s -q -y --no-install-recommends install "$@" >"$log" 2>&1 || return 1
    sed -nE 's/^Inst ([^ :]+)(:[a-z0-9]+)? \(([^ ]+) .*/\1 \3/p' "$log" | sort -u >"$_to"
}
names=""
for specification in "$@"; do names="$names ${specification%%=*}"; done
# shellcheck disable=SC2086
apt-cache madison $names >"$work/madison"
for specification in "$@"; do
    name=${specification%%=*}
    there=$(awk -v name="$name" '$1 == name { print $3 }' "$work/madison" | sort -u | tr '\n' ' ')
    [ -n "$there" ] || fail platform "no source of this machine has the package $name" "Check its name and the sources."
    case $specification in
    *=*) case " $there" in
        *" ${specification#*=} "*) ;;
        *) fail platform "the version $specification is not in the archive; it has $there" \
            "Choose one of these, or a mirror that keeps the other." ;;
        esac ;;
    esac
done
cat "$work"/packages.* | awk '
    /^$/ { if (required) print name; required = 0; next }
    /^Package: / { name = $2; required = 0 }
    /^Essential: yes/ || /^Priority: required/ { required = 1 }
    END { if (required) print name }' | sort -u >"$work/required"
# shellcheck disable=SC2046
resolve "$work/base" $(cat "$work/required") || explain "resolving the distribution's minimal system"
# shellcheck disable=SC2046
resolve "$work/all" $(cat "$work/required") "$@" || explain "resolving $*"
sed 's/^\([^ ]*\).*/base \1/' "$work/base"
sed 's/^/want /' "$work/all"
while read -r number; do
    awk -v number="$number" -v wanted="$work/all" '
        BEGIN { while ((getline line < wanted) > 0) want[line] = 1 }
        function show() { if ((name " " version) in want) print "stanza " number "\n" text }
        /^$/ { show(); name = version = text = ""; next }
        /^Package: / { name = $2 }
        /^Version: / { version = $2 }
        /^(Package|Version|Architecture|Pre-Depends|Depends|Provides|Filename|Size|SHA256): / { text = text $0 "\n" }
        END { show() }' "$work/packages.$number"
done <"$work/indexes"
