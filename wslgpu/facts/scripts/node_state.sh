# shellcheck shell=sh
# node_state.sh WORD...: what a node says of itself, in one round trip. Nothing is changed, nothing is followed that a
# link leads to, and of files only digests are shown. Words, any number of each, in any order:
#   path=PATTERN     what stands at these paths, each a pattern of the shell (a path without * is itself)
#   tree=FOLDER      the folder and everything below it on its file system
#   unit=NAME        the unit's state
#   namespace=NAME   images that containerd has in this namespace
#   artifact=NAME    the version of it that is in use below /opt/wslgpu
#   with=packages    installed packages; with=depends: with what they need
#   with=log         installs, upgrades and removals from dpkg's own log
#   with=whole       look at every file of the artifacts
# Lines are "KEY VALUE", values separated by tabs; wslgpu/manifest/state_text.py reads them. A name with a tab or
# line break in it is left out.
echo "wslgpu-node-state"
tab=$(printf '\t')
line_break='
'
manifest=/var/lib/wslgpu/manifest.json
before=/var/lib/wslgpu/before

echo "distribution $(sed -nE 's/^ID="?([^"]*)"?$/\1/p' /etc/os-release) $(sed -nE 's/^VERSION_ID="?([^"]*)"?$/\1/p' /etc/os-release)"
echo "now $(date -u +%Y-%m-%dT%H:%M:%SZ)"
if [ -L "$manifest" ]; then
    echo "manifest-kind link"
elif [ ! -e "$manifest" ]; then
    echo "manifest-kind none"
elif [ ! -f "$manifest" ]; then
    echo "manifest-kind other"
elif [ ! -r "$manifest" ]; then
    echo "manifest-kind unreadable"
else
    echo "manifest-kind file"
    # more than any manifest has is no manifest: it is cut, and then it cannot be read
    echo "manifest $(head -c 16777216 "$manifest" | base64 -w 0)"
fi
if [ -d "$before" ] && [ ! -L "$before" ] && [ -r "$before" ]; then
    find "$before" -mindepth 1 -maxdepth 1 -type f -printf 'kept %f\n'
fi

wanted() { # the values of WORD=VALUE arguments
    _wanted=$1
    shift
    for _word in "$@"; do
        case $_word in "$_wanted="*) printf '%s\n' "${_word#*=}" ;; esac
    done
}
has() { # FLAG WORD...: with=FLAG was given
    _flag=$1
    shift
    for _word in "$@"; do [ "$_word" = "with=$_flag" ] && return 0; done
    return 1
}

# entries: of the paths that come on standard input, each ended by a NUL
entries() {
    # shellcheck disable=SC2016
    xargs -0 -r sh -c '
        tab=$1 line_break=$2
        shift 2
        find "$@" -maxdepth 0 ! -path "*$line_break*" ! -path "*$tab*" -printf "entry %y$tab%m$tab%u:%g$tab%T@$tab%p$tab%l\n"
        find "$@" -maxdepth 0 -type f ! -path "*$line_break*" ! -path "*$tab*" -print0 | xargs -0 -r sha256sum -z | tr "\0" "\n" |
            sed "s/^/hash /"
        find "$@" -maxdepth 0 -type f ! -path "*$line_break*" ! -path "*$tab*" -print0 |
            xargs -0 -r awk "FNR == 1 { if (index(\$0, \"Made by wslgpu\")) print \"made \" FILENAME; nextfile }"
    ' node-state "$tab" "$line_break" 2>/dev/null || true
}
{
    old_ifs=$IFS
    wanted path "$@" | while IFS= read -r pattern; do
        IFS=
        # shellcheck disable=SC2086
        for path in $pattern; do
            if [ -e "$path" ] || [ -L "$path" ]; then printf '%s\0' "$path"; fi
        done
        IFS=$old_ifs
    done
    wanted tree "$@" | while IFS= read -r folder; do
        if [ -d "$folder" ] && [ ! -L "$folder" ]; then
            find "$folder" -xdev -print0 2>/dev/null || true
        elif [ -e "$folder" ] || [ -L "$folder" ]; then
            printf '%s\0' "$folder"
        fi
    done
} | entries

awk -F: '{ print "user " $1 "\t" $3 }' /etc/passwd
awk -F: '{ print "group " $1 "\t" $3 }' /etc/group

# what is enabled or masked on this node is a link of this name
for folder in /etc/systemd/system /etc/systemd/user; do
    if [ -d "$folder" ]; then
        find "$folder" -type l ! -name "*$line_break*" \( -lname /dev/null -printf 'masked %f\n' -o -printf 'enabled %f\n' \) 2>/dev/null || true
    fi
done
units=$(wanted unit "$@")
if [ -n "$units" ]; then
    # one block for each unit, in the order asked
    # shellcheck disable=SC2086
    systemctl show --property=LoadState --property=UnitFileState --property=ActiveState $units 2>/dev/null |
        awk -v units="$units" '
            BEGIN { count = split(units, names, "\n"); at = 1 }
            function out() {
                if (seen) { print "unit " names[at] "\t" load "\t" file "\t" active; at++ }
                load = file = active = ""; seen = 0
            }
            /^$/ { out(); next }
            { seen = 1; value = substr($0, index($0, "=") + 1) }
            /^LoadState=/ { load = value }
            /^UnitFileState=/ { file = value }
            /^ActiveState=/ { active = value }
            END { out() }' || true
fi

if has packages "$@" || has depends "$@"; then
    # shellcheck disable=SC2016
    format='package ${Package}\t${Architecture}\t${Version}\t${db:Status-Status}\t${db:Status-Want}'
    # shellcheck disable=SC2016
    if has depends "$@"; then format="$format"'\t${Pre-Depends}, ${Depends}\t${Recommends}\t${Provides}'; fi
    echo "architecture $(dpkg --print-architecture 2>/dev/null || true)"
    dpkg-query -W -f="$format\n" 2>/dev/null || true
    # apt writes down which packages came as dependencies only
    if [ -f /var/lib/apt/extended_states ]; then
        awk '/^Package: / { name = $2; architecture = "" } /^Architecture: / { architecture = $2 }
            /^Auto-Installed: 1/ { print "automatic " name "\t" architecture }' /var/lib/apt/extended_states
    fi
    # and wslgpu, which of those that it installed by name it has yet to mark so
    if [ -f /var/lib/wslgpu/apt-automatic ]; then sed -n "s/^[^ ]*\$/automatic &$tab/p" /var/lib/wslgpu/apt-automatic; fi
fi
if has log "$@"; then
    # logrotate keeps twelve months of it, the older ones packed
    {
        for number in 12 11 10 9 8 7 6 5 4 3 2; do gzip -dcf "/var/log/dpkg.log.$number.gz" 2>/dev/null || true; done
        cat /var/log/dpkg.log.1 /var/log/dpkg.log 2>/dev/null || true
    } | awk '$3 ~ /^(install|upgrade|remove|purge)$/ { print "log " $0 }' | tail -n 40000
fi

if command -v ctr >/dev/null; then
    wanted namespace "$@" | while IFS= read -r namespace; do
        timeout 30 ctr --namespace "$namespace" images ls 2>/dev/null |
            awk -v namespace="$namespace" 'NR > 1 && $3 ~ /^sha256:/ { print "image " namespace "\t" $1 "\t" $3 }' || true
    done
fi

whole=no
if has whole "$@"; then whole=yes; fi
wanted artifact "$@" | while IFS= read -r artifact; do
    current=/opt/wslgpu/$artifact/current
    if [ ! -f "$current/.wslgpu/digest" ]; then continue; fi
    state=whole
    if [ "$whole" = yes ]; then
        { tree_of "$current/" | cmp -s - "$current/.wslgpu/tree" &&
            (cd "$current" && sha256sum --check --quiet --strict .wslgpu/files.sha256 >/dev/null 2>&1); } || state=damaged
    fi
    printf 'artifact %s\t%s\t%s\n' "$artifact" "$(head -c 71 "$current/.wslgpu/digest" | tr -d '\n\t ')" "$state"
done
echo "end"
