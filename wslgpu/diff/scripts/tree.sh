# shellcheck shell=sh
# tree.sh LIMIT_BYTES PRUNED...: everything that a node is made of, for a comparison with another or with itself later.
# Runs as root and changes nothing. On standard output, compressed: records that end with NUL, fields between tabs:
#
#   tree 1 ARCHITECTURE DISTRIBUTION                       first
#   p KIND MODE USER GROUP BYTES SECONDS PATH NUL TARGET   each path; KIND as find's %y, SECONDS since 1970 at the last
#                                                          change, TARGET of a link or empty
#   h SHA256 (two spaces) PATH                             each file of at most LIMIT_BYTES
#   k PACKAGE ARCHITECTURE VERSION WANT STATUS             as dpkg-query has them
#   a PACKAGE                                              apt counts it as a dependency
#   u UNIT STATE                                           unit files, by is-enabled's words
#   U NAME UID GID HOME SHELL                              users; g NAME GID MEMBERS: groups. No password is read.
#   i NAMESPACE IMAGE DIGEST                               images in containerd's store
#   end                                                    last: without it the answer was cut off
#
# Of a PRUNED folder only itself is told. File systems that are made up by the kernel or come from elsewhere (Windows'
# drives, a network) are not entered: a path there is nobody's on this node.
limit=$1
shift
[ "$(id -u)" = 0 ] || fail usage "reading a whole node needs root there" "Log in as root, or allow sudo without a password."

# places: / and every mounted file system that is stored on this node's own disks; one below a path that is not entered
# is none
places() {
    echo /
    awk '{
        for (i = 7; i <= NF; i++) if ($i == "-") break
        if ($(i + 1) ~ /^(ext[234]|xfs|btrfs|f2fs|zfs|overlay|bcachefs)$/ && $5 != "/") print $5
    }' /proc/self/mountinfo | sort -u | sed 's/\\040/ /g' | while IFS= read -r _place; do
        for _path in /proc /sys /dev /run "$@"; do
            case $_place in "$_path" | "$_path"/*) continue 2 ;; esac
        done
        printf '%s\n' "$_place"
    done
}

# walk PLACE PRUNED...: the paths of one file system; its files also go to $files
walk() {
    _place=$1
    shift
    for _path in "$@"; do
        set -- "$@" -o -path "$_path"
        shift
    done
    shift
    find "$_place" -xdev \( "$@" \) \
        -printf 'p\t%y\t%m\t%u\t%g\t%s\t%T@\t%p\0%l\0' -prune -o \
        -printf 'p\t%y\t%m\t%u\t%g\t%s\t%T@\t%p\0%l\0' \
        -type f -size "-$limit"c -fprint0 "$files" 2>/dev/null || true
    cat "$files" >>"$files.all"
}

packages() {
    command -v dpkg-query >/dev/null || return 0
    # shellcheck disable=SC2016
    dpkg-query -W -f 'k\t${Package}\t${Architecture}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\n'
    apt-mark showauto 2>/dev/null | awk '{print "a\t" $0}'
}

units() {
    command -v systemctl >/dev/null || return 0
    timeout 20 systemctl list-unit-files --no-legend --no-pager --plain 2>/dev/null | awk '{print "u\t" $1 "\t" $2}'
}

accounts() {
    awk -F: '{print "U\t" $1 "\t" $3 "\t" $4 "\t" $6 "\t" $7}' /etc/passwd
    awk -F: '{print "g\t" $1 "\t" $3 "\t" $4}' /etc/group
}

images() {
    command -v ctr >/dev/null && [ -S /run/containerd/containerd.sock ] || return 0
    for _namespace in $(timeout 20 ctr namespaces ls -q 2>/dev/null); do
        timeout 20 ctr -n "$_namespace" images ls 2>/dev/null | awk -v n="$_namespace" 'NR > 1 {print "i\t" n "\t" $1 "\t" $3}'
    done
}

# what WSL mounts or binds for itself is Windows' or WSL's
set -- "$@" /usr/lib/wsl /usr/lib/modules /mnt/wsl /mnt/wslg
# outside what is walked: /run is never on a disk
files=$(umask 077 && mktemp /run/wslgpu-tree.XXXXXX)
trap 'rm -f "$files" "$files.all"' EXIT
{
    # shellcheck disable=SC1091
    printf 'tree\t1\t%s\t%s\0' "$(dpkg --print-architecture 2>/dev/null)" "$(. /etc/os-release && echo "$ID $VERSION_ID")"
    places "$@" | while IFS= read -r place; do walk "$place" "$@"; done
    # a file that goes away meanwhile has no digest; that is no failure
    xargs -0r sha256sum -z <"$files.all" 2>/dev/null | sed -z 's/^/h\t/' || true
    { packages; units; accounts; images; } | tr '\n' '\0'
    printf 'end\0'
} | gzip -1
