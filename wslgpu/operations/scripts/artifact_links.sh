# shellcheck shell=sh
# Included by scripts that work in an artifact's folder, /opt/wslgpu/ARTIFACT: which version is used, and which goes.

# point LINK FOLDER: at every moment the link points at the old version or at the new one.
point() {
    if [ -e "$1" ] && [ ! -L "$1" ]; then
        fail platform "$PWD/$1 is no link" "Look at it and move it away, then run again."
    fi
    rm -f ".link-$1"
    ln -s "$2" ".link-$1" || fail platform "cannot write in $PWD" "Free space there, or make it writable."
    mv -fT ".link-$1" "$1" || fail platform "cannot replace $PWD/$1" "Check the file system."
    sync .
}

# tidy: what an interrupted run left, versions that neither link points at, and a link that points at nothing.
# Folders of somebody else's are left alone.
tidy() {
    rm -rf .new-* .link-*
    if [ -L previous ] && [ ! -d previous ]; then rm -f previous; fi
    for _mark in */.wslgpu .[!.]*/.wslgpu; do
        _folder=${_mark%/.wslgpu}
        case $_folder in
        .gone-* | current | previous | "*" | ".[!.]*") continue ;;
        esac
        if [ "$_folder" != "$(readlink current)" ] && [ "$_folder" != "$(readlink previous)" ]; then
            # renamed first: half of it is never taken for a version
            mv -T "$_folder" ".gone-$_folder"
        fi
    done
    rm -rf .gone-*
}

# use_version FOLDER: current points at it, previous at what was current before.
use_version() {
    _before=$(readlink current 2>/dev/null) || _before=""
    if [ "$_before" != "$1" ]; then
        # in this order: a run that is cut off between the two still finds the version before
        if [ -n "$_before" ] && [ -d "$_before/.wslgpu" ]; then point previous "$_before"; fi
        point current "$1"
    fi
    tidy
}
