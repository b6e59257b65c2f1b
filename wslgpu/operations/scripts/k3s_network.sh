# shellcheck shell=sh
# k3s_network.sh PLUGINS FOLDER NAME...: containerd looks for CNI plugins in FOLDER, and the package has them in PLUGINS:
# links to them, where nothing is yet.
plugins=$1 folder=$2
shift 2
mkdir -p "$folder" || fail platform "cannot make $folder" "Free space there, or make it writable."
for name in "$@"; do
    [ -x "$plugins/$name" ] ||
        fail platform "there is no $plugins/$name" "apt-get install --reinstall containernetworking-plugins; then run again."
    [ ! -e "$folder/$name" ] ||
        fail platform "$folder/$name is there and is no program" "Look whose it is, and remove it; then run again."
    ln -sfT "$plugins/$name" "$folder/$name" || fail platform "cannot write in $folder" "Make it writable."
done
