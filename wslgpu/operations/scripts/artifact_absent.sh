# shellcheck shell=sh
# artifact_absent.sh ARTIFACT: all versions, and the folder above where nothing else is in it.
root=/opt/wslgpu
# nobody takes up a version of which half is gone
rm -f "$root/$1/current" "$root/$1/previous"
rm -rf "${root:?}/$1" || fail platform "cannot remove $root/$1" "Check the file system."
rmdir "$root" 2>/dev/null || true
