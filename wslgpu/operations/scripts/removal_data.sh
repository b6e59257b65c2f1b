# shellcheck shell=sh
# removal_data.sh FOLDER...: folders in which programs that are gone had their data, with all that is in them. What is
# mounted below is unmounted first, so that nothing of another file system is deleted.
for folder in "$@"; do
    if [ ! -d "$folder" ] || [ -L "$folder" ]; then continue; fi
    awk -v folder="$folder/" 'index($5, folder) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r place; do umount "$place" || fail platform "$place is mounted and in use" "See who uses it: fuser -vm $place"; done
    rm -rf --one-file-system "$folder" || fail platform "cannot remove $folder" "Check the file system."
done
