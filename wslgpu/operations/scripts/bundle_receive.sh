# shellcheck shell=sh
# bundle_receive.sh FOLDER BYTES: make room for what is sent next: FOLDER/incoming, which only who sends may enter.
#
# Nothing is followed that somebody put in the place of a folder.
folder=$1 bytes=$2
for path in "$folder" "$folder/incoming" "$folder/files"; do
    if [ -L "$path" ] || { [ -e "$path" ] && [ ! -d "$path" ]; }; then
        rm -f "$path" || fail platform "$path is in the way and cannot be removed" "Remove it by hand."
    fi
    mkdir -p "$path" 2>/dev/null || fail platform "cannot make $path: no space, or read-only" "Free space there; df -h and df -i show where."
done
chown root:root "$folder" "$folder/files"
chmod 711 "$folder"
chmod 755 "$folder/files"
chown -h "${SUDO_UID:-0}:${SUDO_GID:-0}" "$folder/incoming"
chmod 700 "$folder/incoming"
find "$folder/incoming" -mindepth 1 ! -type f -exec rm -rf {} +
# what a cut run has sent and none has asked for since
find "$folder/incoming" "$folder/files" -type f -mmin +10080 -delete
free=$(($(df --output=avail -k "$folder" | tail -n 1) * 1024))
[ "$free" -ge "$bytes" ] ||
    fail platform "what is to be sent needs $bytes bytes in $folder, reserve included, and $free are free" "Free space there."
