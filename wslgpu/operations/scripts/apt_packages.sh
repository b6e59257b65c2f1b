# shellcheck shell=sh disable=SC2154
# apt_packages.sh LOCK_TIMEOUT_S DOWNLOAD_TIMEOUT_S HOLD ALLOW_DOWNGRADE NAME[=VERSION[@SHA256[@auto|@base]]]...
#
# SHA256 is the lock's, and what apt's signed index has must be the same. auto: a dependency of the others, which is
# brought to its version, never held, and stays marked as a dependency. base: of the minimal system, which stays as it
# is unless the others need this version. What apt would bring beyond these is refused.
# Installs what is missing or of another version, then holds or releases. Nothing is removed (a package that
# conflicts stays and is named), no hold of somebody else's is released, no lock is deleted, nothing unsigned is
# taken. Every step can be repeated after a kill at any point.
# include: watcher.sh
lock_timeout=$1 download_timeout=$2 hold=$3 allow_downgrade=$4
shift 4
holds=/var/lib/wslgpu/apt-holds
stamp=/var/lib/wslgpu/apt-lists
automatic=/var/lib/wslgpu/apt-automatic
# include: apt_patience.sh

apt_get() {
    exec apt-get -q -y --no-install-recommends --no-remove \
        -o "DPkg::Lock::Timeout=$lock_timeout" -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 \
        -o APT::Update::Error-Mode=any "$@"
}
install_packages() ( # in a subshell of its own, for the exec
    apt_get install "$@"
)

download() {
    _status=0
    watched "$download_timeout" "$log.slow" '*/partial/*' /var/lib/apt/lists /var/cache/apt/archives -- \
        apt_get "$@" || _status=$?
    if [ "$_status" = 124 ]; then cat "$log.slow"; fi
    rm -f "$log.slow"
    return "$_status"
}

# include: apt_messages.sh

field() { dpkg-query -W -f="\${$2}" "$1" 2>/dev/null || true; }
whole() { [ "$(field "$1" db:Status-Status)" = installed ]; }
held() { [ "$(field "$1" db:Status-Want)" = hold ]; }
# A hold is ours when we wrote it down, or pin that package: what is held otherwise was held by somebody else.
recorded() {
    grep -qE "^$1 " "$holds" 2>/dev/null || grep -qxF "Package: $1" /etc/apt/preferences.d/wslgpu-* 2>/dev/null
}
foreign_holds() { for _name in $(apt-mark showhold); do recorded "$_name" || printf '%s ' "$_name"; done; }
version_of() { case $1 in *=*) _rest=${1#*=} && echo "${_rest%%@*}" ;; esac }
hash_of() { case $1 in *@*) _rest=${1#*@} && echo "${_rest%%@*}" ;; esac }
is_automatic() { case $1 in *@auto | *@base) true ;; *) false ;; esac }
is_base() { case $1 in *@base) true ;; *) false ;; esac }
available() { apt-cache madison "$1" | awk '{ print $3 }' | sort -u | tr '\n' ' '; }

released=""
rehold() { # what was released for a change that did not happen
    for _name in $released; do
        if recorded "$_name"; then apt-mark hold "$_name" >/dev/null 2>&1 || true; fi
    done
}
record() { # NAME...: write which holds are ours, with their versions, in the place of what was recorded of them
    mkdir -p "$(dirname "$holds")"
    _new=$(mktemp "$holds.XXXXXX")
    { if [ -f "$holds" ]; then cat "$holds"; fi; } | while read -r _held _version; do
        case " $* " in *" $_held "*) ;; *) echo "$_held $_version" ;; esac
    done >"$_new"
    if [ "$hold" = yes ]; then for _name in "$@"; do echo "$_name $(field "$_name" Version)"; done >>"$_new"; fi
    chmod 644 "$_new"
    sync "$_new"
    mv -f "$_new" "$holds"
}

mark() { # the dependencies that are written down, those of an earlier run that was cut off too
    [ -f "$automatic" ] || return 0
    _names=""
    while read -r _name; do if whole "$_name"; then _names="$_names $_name"; fi; done <"$automatic"
    # shellcheck disable=SC2086
    [ -z "$_names" ] || patiently apt-mark auto $_names || explain "marking dependencies as such"
    rm -f "$automatic"
}
to_mark() { # NAME: a dependency of which nobody said that he wants it for itself
    ! whole "$1" || [ -n "$(apt-mark showauto "$1")" ]
}

# an interrupted dpkg comes first: apt refuses to work before it is mended
if [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ] || [ -n "$(dpkg --audit 2>&1 | head -n 1)" ]; then
    wanted="the packages"
    for odd in /var/lib/dpkg/updates/*; do
        case ${odd##*/} in "*" | tmp.i) ;; *[!0-9]*) fail platform "dpkg's journal holds $odd, which is none of dpkg's" \
            "Look at it, move it away, run dpkg --configure -a, then run again." ;; esac
    done
    patiently dpkg --force-confdef --force-confold --configure -a || explain "configuring interrupted packages"
fi

mark
names="" changing="" wanted="" dependencies=""
for argument in "$@"; do
    name=${argument%%=*} version=$(version_of "$argument") specification=${argument%%@*}
    if is_base "$argument"; then continue; fi
    is_automatic "$argument" || names="$names $name"
    if whole "$name" && { [ -z "$version" ] || [ "$(field "$name" Version)" = "$version" ]; }; then continue; fi
    changing="$changing $name"
    wanted="$wanted $specification"
    if is_automatic "$argument" && to_mark "$name"; then dependencies="$dependencies $name"; fi
    present=$(field "$name" Version)
    if held "$name" && ! recorded "$name"; then
        fail platform "$name is held at $present, and not by wslgpu" "apt-mark unhold $name if $specification is meant."
    fi
    if [ -n "$version" ] && [ -n "$present" ] && [ "$allow_downgrade" = no ] &&
        dpkg --compare-versions "$present" gt "$version"; then
        fail safety "$name is installed at $present, newer than the wanted $version" \
            "Set allow_downgrade: true in site.yml if the downgrade is meant$(case $argument in *@*) echo ', or make the lock anew: wslgpu lock' ;; esac)."
    fi
done
wanted=${wanted# }

known() { # every wanted package, at its version, is in the lists
    for _specification in $wanted; do
        _version=$(version_of "$_specification") _name=${_specification%%=*}
        if [ -n "$_version" ]; then
            apt-cache madison "$_name" 2>/dev/null | awk -v v="$_version" '$3 == v { found = 1 } END { exit !found }' || return 1
        else
            apt-cache policy "$_name" 2>/dev/null | grep -q 'Candidate: [^(]' || return 1
        fi
    done
}
sources() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
        /usr/share/keyrings/* /etc/apt/keyrings/* /etc/apt/trusted.gpg.d/* 2>/dev/null | sha256sum | cut -d' ' -f1
}
# apt takes what lies in its cache by name and size alone; after a power cut it may hold other bytes.
drop_altered_archives() {
    for _deb in /var/cache/apt/archives/*_*_*.deb; do
        [ -f "$_deb" ] || continue
        _specification=$(basename "$_deb" | sed -E 's/_[^_]*$//; s/_/=/; s/%3a/:/')
        _hashes=$(apt-cache show "$_specification" 2>/dev/null | sed -n 's/^SHA256: //p')
        [ -n "$_hashes" ] || continue
        case $_hashes in
        *"$(sha256sum <"$_deb" | cut -d' ' -f1)"*) ;;
        *) rm -f "$_deb" ;;
        esac
    done
}
refresh() {
    rm -f "$stamp"
    if ! patiently download update || says '^(W: (Failed|An error|GPG)|E:)'; then
        if says "Hash Sum mismatch|unexpected size"; then
            find /var/lib/apt/lists -type f ! -name lock -delete
            patiently download update || explain "fetching the package lists"
        else
            explain "fetching the package lists"
        fi
    fi
    mkdir -p "$(dirname "$stamp")"
    sources >"$stamp"
}

# compare_hashes ARGUMENT...: each wanted package of the lock has the lock's hash wherever it is to be had: of two
# archives with one version, nobody says which apt takes
compare_hashes() {
    for _argument in "$@"; do
        _specification=${_argument%%@*} _expected=$(hash_of "$_argument")
        case " $wanted " in *" $_specification "*) [ -n "$_expected" ] || continue ;; *) continue ;; esac
        _there=$(apt-cache show "$_specification" 2>/dev/null | sed -n 's/^SHA256: //p' | sort -u)
        [ "$_there" = "$_expected" ] ||
            fail integrity "the archive's $_specification has another hash than the lock: $(echo "$_there" | grep -vxF "$_expected" | head -n 1)" \
                "Nothing was installed. Look who rebuilt it under the same version; then make the lock anew: wslgpu lock"
    done
}
# beyond: NAME=VERSION of each package that apt would bring beside what is wanted. Where apt sees no way there is none:
# the installation then says why.
beyond() {
    # shellcheck disable=SC2086
    { apt-get -s -q -y --no-install-recommends --no-remove $downgrade install $wanted 2>/dev/null || true; } |
        sed -nE 's/^Inst ([^ :]+)(:[a-z0-9]+)? (\[[^]]*\] )?\(([^ ]+) .*/\1=\4/p' | sort -u |
        while read -r _one; do case " $wanted " in *" $_one "*) ;; *) echo "$_one" ;; esac; done
}
# only_locked ARGUMENT...: what apt would bring beside what is wanted is of the minimal system, and at the lock's version
only_locked() {
    while true; do
        _beyond=$(beyond)
        [ -n "$_beyond" ] || return 0
        for _one in $_beyond; do
            _name=${_one%%=*} _row=""
            for _argument in "$@"; do
                case $_argument in "$_name="*@base) _row=${_argument%%@*} ;; esac
            done
            case " $wanted " in *" ${_row:-=} "*) _row="" ;; esac
            if [ -z "$_row" ] || dpkg --compare-versions "$(field "$_name" Version)" gt "${_row#*=}"; then
                fail platform "to install $wanted, apt would bring $_one, which the lock does not have" \
                    "Bring the node's own packages up to date (apt-get upgrade) and run again; else make the lock anew: wslgpu lock"
            fi
            if to_mark "$_name"; then dependencies="$dependencies $_name"; fi
            wanted="$wanted $_row"
        done
    done
}
downgrade=""
if [ "$allow_downgrade" = yes ]; then downgrade=--allow-downgrades; fi

if [ -n "$wanted" ]; then
    if [ "$(cat "$stamp" 2>/dev/null)" != "$(sources)" ] || [ -z "$(find "$stamp" -mmin -1440 ! -newermt '+1 minute')" ] || ! known; then
        refresh
    fi
    case $* in *@*) only_locked "$@" ;; esac
    for specification in $wanted; do
        name=${specification%%=*} version=$(version_of "$specification")
        there=$(available "$name")
        [ -n "$there" ] || fail platform "no configured repository has the package $name" "Check its name and the sources."
        case " $there " in *" ${version:-${there%% *}} "*) ;; *)
            case " $*" in *" $specification@"*)
                fail platform "the locked version $specification is gone from the archive; it has $there" \
                    "wslgpu lock --check says since when. Install from a bundle, or make the lock anew: wslgpu lock" ;;
            esac
            fail platform "the pinned version $specification is not in the repository; it has $there" \
                "Pin one of these, or use a mirror that keeps the pinned one." ;;
        esac
    done
    compare_hashes "$@"
    if [ -n "$dependencies" ]; then
        mkdir -p "$(dirname "$automatic")"
        for name in $dependencies; do echo "$name"; done >"$automatic.new"
        sync "$automatic.new"
        mv -f "$automatic.new" "$automatic"
    fi
    for name in $changing; do
        if held "$name"; then
            patiently apt-mark unhold "$name" || explain "releasing the hold of $name"
            released="$released $name"
        fi
    done
    drop_altered_archives
    # shellcheck disable=SC2086
    if ! patiently download install --download-only $downgrade $wanted; then
        if says "Hash Sum mismatch|unexpected size"; then
            rm -f /var/cache/apt/archives/partial/*
        elif says " 404 "; then
            refresh
            compare_hashes "$@"
        else
            explain "installing $wanted"
        fi
        if ! patiently download install --download-only $downgrade $wanted; then
            rm -f /var/cache/apt/archives/partial/*.FAILED
            if says " 404 "; then
                fail platform "the repository lists $wanted, but the files are gone; it lists $(for name in $changing; do available "$name"; done)" \
                    "Pin a version that is there, or use a mirror that keeps the pinned one."
            fi
            explain "installing $wanted"
        fi
    fi
    # shellcheck disable=SC2086
    patiently install_packages $downgrade $wanted || explain "installing $wanted"
    for specification in $wanted; do
        name=${specification%%=*} version=$(version_of "$specification")
        whole "$name" || fail platform "$name is $(field "$name" db:Status-Status) after its installation" "See the output above."
        [ -z "$version" ] || [ "$(field "$name" Version)" = "$version" ] ||
            fail platform "$name is at $(field "$name" Version) after $version was installed" "Look for a foreign pin in /etc/apt/preferences.d."
    done
fi

mark
to_hold="" to_release=""
for name in $names; do
    if [ "$hold" = yes ] && ! held "$name"; then to_hold="$to_hold $name"; fi
    if [ "$hold" = no ] && held "$name" && recorded "$name"; then to_release="$to_release $name"; fi
done
if [ -n "$to_hold" ]; then
    # shellcheck disable=SC2086
    record $to_hold
    # shellcheck disable=SC2086
    patiently apt-mark hold $to_hold || explain "holding$to_hold"
    for name in $to_hold; do held "$name" || fail platform "$name is not held after apt-mark hold" "Run it by hand."; done
fi
if [ -n "$to_release" ]; then
    # shellcheck disable=SC2086
    patiently apt-mark unhold $to_release || explain "releasing$to_release"
    # shellcheck disable=SC2086
    record $to_release
fi
