# shellcheck shell=sh
# file_state.sh PATH...: one line each: TYPE MODE OWNER:GROUP SHA256 PATH, "-" where there is no such property.
echo "wslgpu-file-state"
for path in "$@"; do
    if [ -L "$path" ]; then
        echo "link - - - $path"
    elif [ -f "$path" ]; then
        echo "file $(stat -c '%a %U:%G' "$path") $(sha256sum <"$path" | cut -d' ' -f1) $path"
    elif [ -d "$path" ]; then
        echo "directory $(stat -c '%a %U:%G' "$path") - $path"
    elif [ -e "$path" ]; then
        echo "other - - - $path"
    else
        echo "none - - - $path"
    fi
done
