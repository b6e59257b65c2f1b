# shellcheck shell=sh disable=SC2154
# gpu_spec.sh: CDI specs in general, and that of nvidia.com/gpu; functions for cdi_spec.sh and refresh_cdi.sh.
#
# `work` is the caller's own temporary folder.
gpu_kind=nvidia.com/gpu
gpu_ours=/etc/cdi/nvidia.yaml
gpu_theirs=/var/run/cdi/nvidia.yaml
gpu_service=nvidia-cdi-refresh.service

# hold_specs: only one run at a time makes specs on this node; the lock ends with the process.
hold_specs() {
    mkdir -p /run/wslgpu
    exec 8>/run/wslgpu/cdi-specs.lock
    flock -w 120 8 ||
        fail "timeout retryable" "another run has been making CDI specs for two minutes" "See systemctl status wslgpu-cdi-refresh; then run again."
}

# mounted FILE: the host paths that a spec mounts, one a line; YAML and JSON.
mounted() { grep -oE '"?hostPath"?:[[:space:]]*"?[^",]+' "$1" | sed -E 's/^[^:]*:[[:space:]]*"?//; s/[[:space:]]+$//'; }

# kind_of FILE: the kind of a spec, YAML and JSON.
kind_of() { grep -oE '"?kind"?:[[:space:]]*"?[A-Za-z0-9._/-]+' "$1" | head -n 1 | sed -E 's/.*[[:space:]":]//'; }

# ours FILE: the file was written by wslgpu.
ours() { [ -f "$1" ] && head -n 1 "$1" | grep -q '^# Made by wslgpu'; }

# gone FILE: the paths that a spec mounts and that do not exist, one a line.
gone() { mounted "$1" | while read -r path; do [ -e "$path" ] || echo "$path"; done; }

# checked FILE KIND DEVICE: nvidia-ctk reads it, it has the kind and the device, and every path that it mounts exists.
checked() {
    [ "$(kind_of "$1")" = "$2" ] ||
        fail platform "$1 is no CDI spec of $2" "See what nvidia-ctk cdi generate says by hand."
    rm -rf "$work/checked"
    mkdir "$work/checked"
    cp "$1" "$work/checked/spec.yaml"
    nvidia-ctk --quiet cdi list --spec-dir="$work/checked" 2>/dev/null | grep -qxF "$2=$3" ||
        fail platform "the CDI spec $1 names no device $2=$3" "See what nvidia-ctk cdi list says by hand."
    gone "$1" >"$work/gone"
    [ ! -s "$work/gone" ] ||
        fail platform "the CDI spec $1 names $(head -n 1 "$work/gone"), which does not exist" "On WSL2: wsl --shutdown after a driver update, then run again."
}

# put_spec NEW PATH: the spec becomes the file at PATH, whole or not at all; somebody else's is kept beside, once.
put_spec() {
    if cmp -s "$1" "$2" && [ "$(stat -c '%a %U:%G' "$2")" = "644 root:root" ]; then return 0; fi
    if ! ours "$2"; then keep_before "$2"; fi
    base64 "$1" >"$1.base64"
    # in a subshell of its own, since put_file sets traps; no `||` behind it, which would lift set -e in there
    (put_file "$2" 644 root:root "$(sha256sum <"$1" | cut -d' ' -f1)") <"$1.base64"
    echo "wslgpu: made $2 anew"
}

# gpu_generate MODE: what nvidia-ctk makes now, as $work/generated.
gpu_generate() {
    nvidia-ctk --quiet cdi generate "--mode=$1" >"$work/generated" 2>"$work/log" ||
        fail platform "nvidia-ctk cdi generate: $(tail -n 1 "$work/log" | cut -c1-400)" "Check the driver: /usr/lib/wsl/lib/nvidia-smi, and wsl --shutdown after a driver update."
}

# gpu_put: $work/generated becomes /etc/cdi/nvidia.yaml. One that NVIDIA's unit left in /var/run/cdi would win over it
# and is removed: the unit of the toolkit versions for which wslgpu writes the spec never runs on WSL.
gpu_put() {
    checked "$work/generated" "$gpu_kind" all
    { printf '%s\n' "# Made by wslgpu with nvidia-ctk cdi generate; made anew when the driver store or the toolkit changes."
      cat "$work/generated"; } >"$work/nvidia.yaml"
    put_spec "$work/nvidia.yaml" "$gpu_ours"
    rm -f "$gpu_theirs"
}

# gpu_fits: the refresh unit's spec mounts all that nvidia-ctk would mount now, and nothing that is gone.
gpu_fits() {
    [ -s "$gpu_theirs" ] && [ "$(kind_of "$gpu_theirs")" = "$gpu_kind" ] || return 1
    mounted "$gpu_theirs" >"$work/present"
    gone "$gpu_theirs" >"$work/gone"
    [ ! -s "$work/gone" ] && ! mounted "$work/generated" | grep -qvxFf "$work/present"
}

# gpu_trigger: NVIDIA's unit makes its spec, which is held against $work/generated. `restart`, since the unit stays
# active when it is done.
gpu_trigger() {
    systemctl reset-failed "$gpu_service" 2>/dev/null || true
    refreshed=yes
    timeout 60 systemctl restart "$gpu_service" 2>"$work/log" || refreshed=no
    if [ "$refreshed" = no ] || [ ! -s "$gpu_theirs" ]; then
        fail platform "$gpu_service made no CDI spec: $(journalctl --unit="$gpu_service" --lines=20 --output=cat --no-pager 2>/dev/null | grep -v '^$' | tail -n 2 | tr '\n' ' ' | cut -c1-400)" \
            "systemctl status $gpu_service says more; check the driver: /usr/lib/wsl/lib/nvidia-smi."
    fi
    checked "$gpu_theirs" "$gpu_kind" all
    mounted "$gpu_theirs" >"$work/present"
    mounted "$work/generated" | while read -r path; do
        grep -qxF "$path" "$work/present" ||
            fail platform "$gpu_theirs lacks $path right after $gpu_service has run" "See /etc/nvidia-container-toolkit/nvidia-cdi-refresh.env."
    done
    echo "wslgpu: $gpu_service made $gpu_theirs anew"
}
