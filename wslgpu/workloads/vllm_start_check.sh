#!/bin/sh
# start-check.sh GPUS SHARED_BYTES [MODEL]: run in the pod before vLLM; says what would make it fail, one line each, before a
# model is loaded for minutes.
#
# MODEL is the folder of a local model. WSLGPU_MOUNTINFO: what is read in place of /proc/self/mountinfo. It needs a POSIX sh, coreutils and awk, and nvidia-smi, which the driver brings.
set -eu
wanted=$1 shared=$2 model=${3:-}
found=0

problem() {
    printf 'wslgpu: %s\n' "$*" >&2
    found=1
}

smi=""
for program in nvidia-smi /usr/lib/wsl/lib/nvidia-smi /usr/lib/wsl/drivers/*/nvidia-smi; do
    if command -v "$program" >/dev/null 2>&1; then
        smi=$program
        break
    fi
done
if [ -z "$smi" ]; then
    problem "this pod has no nvidia-smi, so no driver: is its runtime class nvidia? See wslgpu workload chain"
    gpus=0
else
    # it may hang with a driver that hangs
    said=$(timeout 60 "$smi" -L 2>&1) || said="$said; it ended with $?"
    gpus=$(printf '%s\n' "$said" | grep -c '^GPU [0-9]*:') || true
    if [ "$gpus" -lt "$wanted" ]; then
        problem "this pod sees $gpus GPUs and vLLM is to use $wanted; nvidia-smi -L: $(printf '%s' "$said" | tr '\n' ' ' | head -c 300)"
    fi
fi

has=$(stat -f -c '%b %S' /dev/shm | awk '{ printf "%.0f", $1 * $2 }')
if awk -v has="$has" -v shared="$shared" 'BEGIN { exit !(has < shared) }'; then
    problem "/dev/shm has $has bytes and the ranks need $shared; set vllm_shared_memory"
fi

if [ -n "$model" ]; then
    if [ ! -r "$model/config.json" ]; then
        problem "there is no model at $model that user $(id -u) can read: config.json is missing; see vllm_model"
    else
        # the kind of the mount with the longest path above it; field 5 is the mount's place, the kind follows the lone hyphen
        kind=$(awk -v path="$(readlink -f "$model")/" '{
            place = $5 == "/" ? "/" : $5 "/"
            for (i = 7; $i != "-"; i++);
            if (index(path, place) == 1 && length(place) >= best) { best = length(place); kind = $(i + 1) }
        } END { print kind }' "${WSLGPU_MOUNTINFO:-/proc/self/mountinfo}")
        case $kind in
            9p | drvfs | virtiofs)
                problem "$model is on a Windows drive ($kind): move it to the Linux file system"
                ;;
        esac
    fi
fi

if [ "$found" -eq 0 ]; then printf 'wslgpu: this pod sees %s GPUs; nothing stands in the way\n' "$gpus"; fi
exit "$found"
