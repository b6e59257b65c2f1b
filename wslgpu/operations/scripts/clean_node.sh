# shellcheck shell=sh
# clean_node.sh PATH...: delete these files and folders, none of which anything needs; each path is a place of ours, below
# one, or in apt's cache.
for path in "$@"; do
    case $path in
    *..*) fail internal "$path is no plain path" "That is a fault of wslgpu." ;;
    /var/cache/apt/archives/*.deb | /opt/wslgpu/*/* | /var/lib/wslgpu/* | /var/cache/wslgpu-bundle) ;;
    /etc/*.wslgpu-?????? | /usr/local/*.wslgpu-?????? | /usr/share/keyrings/*.wslgpu-??????) ;;
    *) fail internal "$path is no place that wslgpu clean deletes in" "That is a fault of wslgpu." ;;
    esac
    if [ -d "$path" ] && [ ! -L "$path" ]; then
        # renamed first: half of it is never taken for a version
        case $path in
        */.* | /var/*) gone=$path ;;
        *)
            gone=${path%/*}/.gone-${path##*/}
            mv -T "$path" "$gone" || fail platform "cannot rename $path" "Check the file system."
            ;;
        esac
        rm -rf "$gone" || fail platform "cannot remove $gone" "Check the file system."
    else
        rm -f "$path" || fail platform "cannot remove $path" "Check the file system."
    fi
done
