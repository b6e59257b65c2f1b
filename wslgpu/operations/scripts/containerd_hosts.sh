# shellcheck shell=sh
# containerd_hosts.sh PATH SHA256 <base64: put a hosts.toml in place; one that somebody else wrote is kept once beside it.
if [ -f "$1" ] && ! head -n 1 "$1" | grep -q '^# Made by wslgpu'; then keep_before "$1"; fi
put_file "$1" 644 root:root "$2"
