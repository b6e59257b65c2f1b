# shellcheck shell=sh
# data_directory.sh PATH: a directory of root's that others may enter and read.
if [ -e "$1" ] && [ ! -d "$1" ]; then
    fail usage "data_dir $1 is no directory" "Move what is there away, or choose another data_dir."
fi
mkdir -p "$1" || fail platform "cannot make $1" "Check the file system."
chown root:root "$1"
chmod 755 "$1"
