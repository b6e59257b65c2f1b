# shellcheck shell=sh
# nvidia_ctk_mode.sh MODE: set nvidia-container-runtime.mode, the file replaced whole.
config=/etc/nvidia-container-runtime/config.toml
command -v nvidia-ctk >/dev/null || fail platform "there is no nvidia-ctk on this node" "Run the container_toolkit task."
mkdir -p "${config%/*}"
rm -f "${config%/*}"/.config.toml.wslgpu-*
new=$(mktemp "${config%/*}/.config.toml.wslgpu-XXXXXX") ||
    fail platform "cannot write in ${config%/*}" "Free space there, or make it writable."
trap 'rm -f "$new"' EXIT
if [ -s "$config" ]; then cat "$config" >"$new"; else nvidia-ctk --quiet config default >"$new"; fi
if ! nvidia-ctk --quiet config "--config-file=$new" --in-place --set "nvidia-container-runtime.mode=$1" 2>"$new.log"; then
    # a file that is no TOML any more: start from the toolkit's own defaults, and keep what was there
    if [ -s "$config" ]; then keep_before "$config"; fi
    nvidia-ctk --quiet config default >"$new"
    nvidia-ctk --quiet config "--config-file=$new" --in-place --set "nvidia-container-runtime.mode=$1" 2>"$new.log" ||
        fail platform "nvidia-ctk config failed: $(tail -n 1 "$new.log")" "See what nvidia-ctk says by hand."
fi
rm -f "$new.log"
grep -qE "^[[:space:]]*mode = \"$1\"" "$new" || fail platform "nvidia-ctk config did not set mode to $1" "See what nvidia-ctk says by hand."
chown root:root "$new"
chmod 644 "$new"
sync "$new"
mv -fT "$new" "$config"
