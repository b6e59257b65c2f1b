# shellcheck shell=sh
# bundle_slice.sh BUNDLE OFFSET BYTES FOLDER SHA256: on the machine that has the bundle, a member goes to FOLDER/incoming.
tail -c "+$(($2 + 1))" "$1" 2>/dev/null | head -c "$3" >"$4/incoming/$5" || true
