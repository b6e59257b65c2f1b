# shellcheck shell=sh
# kubernetes_unprepare.sh PATH...: remove these files, and folders that were made for them where nothing else is in them.
rm -f -- "$@" || fail platform "cannot remove $*" "Check the file system."
rmdir -p /etc/kubernetes/node-feature-discovery/features.d 2>/dev/null || true
