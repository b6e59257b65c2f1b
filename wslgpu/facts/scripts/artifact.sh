# shellcheck shell=sh
# artifact.sh ARTIFACT...: what is installed below /opt/wslgpu, whether it is whole, and what decides whether an artifact
# can run here. "KEY VALUE" lines, see wslgpu/facts/artifact.py.
echo "wslgpu-artifact"
echo "architecture $(dpkg --print-architecture 2>/dev/null || true)"
echo "distribution $(sed -nE 's/^ID="?([^"]*)"?$/\1/p' /etc/os-release) $(sed -nE 's/^VERSION_ID="?([^"]*)"?$/\1/p' /etc/os-release)"
echo "glibc $(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)"
library=$(ldconfig -p 2>/dev/null | sed -nE 's/^[[:space:]]*libstdc\+\+\.so\.6 .*x86-64.*=> //p' | head -n 1)
for symbol in GLIBCXX CXXABI; do
    if [ -n "$library" ]; then
        echo "symbols $symbol $(grep -aoE "${symbol}_[0-9]+(\.[0-9]+)+" "$library" | sort -uV | tail -n 1 | cut -d_ -f2)"
    fi
done

root=/opt/wslgpu
place=$root
while [ ! -d "$place" ]; do place=$(dirname "$place"); done
echo "room $(stat -f -c '%a %S %d %c' "$place")"

# whole FOLDER: its files are those that were put there, and nobody but root may change them
whole() {
    tree_of "$1" | cmp -s - "$1/.wslgpu/tree" &&
        (cd "$1" && sha256sum --check --quiet --strict .wslgpu/files.sha256 >/dev/null 2>&1)
}

for artifact in "$@"; do
    top=$root/$artifact
    [ -d "$top" ] || continue
    echo "present $artifact"
    used=
    for link in current previous; do
        if [ -L "$top/$link" ]; then
            target=$(readlink "$top/$link")
            echo "link $artifact $link $target"
            used="$used $target"
        elif [ -e "$top/$link" ]; then
            echo "odd $artifact $link"
        fi
    done
    for entry in "$top"/* "$top"/.[!.]*; do
        name=${entry##*/}
        case $name in
        .new-* | .gone-* | .link-*)
            if [ -e "$entry" ] || [ -L "$entry" ]; then echo "leftover $artifact $name"; fi
            continue
            ;;
        esac
        if [ -L "$entry" ] || [ ! -f "$entry/.wslgpu/digest" ]; then continue; fi
        state=unread
        case " $used " in *" $name "*) if whole "$entry"; then state=whole; else state=damaged; fi ;; esac
        echo "tree $artifact $name $(head -c 71 "$entry/.wslgpu/digest" | tr -d '\n ') $state"
    done
done
echo "end"
