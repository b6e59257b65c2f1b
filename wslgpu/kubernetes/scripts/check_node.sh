# shellcheck shell=sh
# shellcheck disable=SC2154
# After kubectl.sh, in the same session: what a workload needs of the node itself, one framed piece each.
# wslgpu_paths names the paths to look at, one a line. Nothing is changed.
wslgpu_name() { uname -n | tr '[:upper:]' '[:lower:]'; }

wslgpu_memory() { sed -n 's/^MemTotal:[[:space:]]*\([0-9]*\) kB$/\1/p' /proc/meminfo; }

# the local addresses of what listens, TCP only: a port of a pod is one
wslgpu_listening() { ss -H -t -l -n | awk '{ print $4 }'; }

wslgpu_kinds() {
    for wslgpu_file in /etc/cdi/*.yaml /etc/cdi/*.json /var/run/cdi/*.yaml /var/run/cdi/*.json; do
        [ -f "$wslgpu_file" ] || continue
        sed -n 's/^[[:space:]"]*kind"\{0,1\}:[[:space:]"]*\([A-Za-z0-9./_-]*\).*$/\1/p' "$wslgpu_file"
    done
}

# PATH never has WSL's folder in a session of sshd
wslgpu_gpus() {
    for wslgpu_file in /usr/lib/wsl/lib/nvidia-smi nvidia-smi; do
        command -v "$wslgpu_file" >/dev/null 2>&1 || continue
        timeout 10 "$wslgpu_file" -L | grep -c '^GPU '
        return
    done
    return 1
}

# KIND FILESYSTEM PATH; a path that is not there has the file system of the folder above it
wslgpu_look() {
    printf '%s\n' "$wslgpu_paths" | while read -r wslgpu_file; do
        [ -n "$wslgpu_file" ] || continue
        wslgpu_kind="missing"
        if [ -d "$wslgpu_file" ]; then
            wslgpu_kind="directory"
        elif [ -e "$wslgpu_file" ]; then
            wslgpu_kind="file"
        fi
        wslgpu_type=$(findmnt -no FSTYPE -T "$wslgpu_file" 2>/dev/null) || wslgpu_type=-
        echo "$wslgpu_kind ${wslgpu_type:--} $wslgpu_file"
    done
}

wslgpu_piece node wslgpu_name
wslgpu_piece memory wslgpu_memory
wslgpu_piece listening wslgpu_listening
wslgpu_piece kinds wslgpu_kinds
wslgpu_piece gpus wslgpu_gpus
wslgpu_piece paths wslgpu_look
