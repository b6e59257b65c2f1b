# shellcheck shell=sh disable=SC2154
# refresh-cdi: makes the CDI specs of this WSL2 node anew where they do not fit the driver any more.
#
# refresh-cdi refresh OWNER KIND   what wslgpu-cdi-refresh.service runs: waits until the driver's folders are quiet,
#                                  and tries again while a driver update is under way
# refresh-cdi once OWNER KIND      one pass, at once
# refresh-cdi print KIND           the video spec as it would be; changes nothing. Empty: no codec library is here
# refresh-cdi held                 "STORE PID NAME": who still has files of a driver store that is gone
#
# OWNER says who writes nvidia.com/gpu: `own` (this program, /etc/cdi/nvidia.yaml) or `refresh` (NVIDIA's
# nvidia-cdi-refresh.service, /var/run/cdi/nvidia.yaml, which is started here when its spec does not fit).
# KIND is that of the video device. A spec is replaced whole, or stays as it was and this ends with 1.
# include: gpu_spec.sh
# include: video_spec.sh
usage() { fail usage "usage: refresh-cdi refresh|once own|refresh KIND, refresh-cdi print KIND, or refresh-cdi held" "See the comments in it."; }

case ${1:-}/${2:-}/$# in
refresh/own/3 | refresh/refresh/3 | once/own/3 | once/refresh/3) kind=$3 ;;
print/*/2) kind=$2 ;;
held//1) ;;
*) usage ;;
esac
[ -c /dev/dxg ] || fail platform "there is no /dev/dxg" "This is for WSL2 nodes with a GPU."
work=$(mktemp -d) || fail platform "cannot write in /tmp" "Free space there, or make it writable."
trap 'rm -rf "$work"' EXIT

# folders: what the driver's folders hold, as one line. On WSL one is an overlay and the other comes from Windows.
# shellcheck disable=SC2012  # the names are only compared
folders() { ls -1 "$video_stores" "$video_stores"/nv*/ "$video_library_folder" 2>/dev/null | cksum; }

# quiet: wait until two looks half a second apart are the same, ten seconds at most.
quiet() {
    looks=0
    last=$(folders)
    while [ "$looks" -lt 20 ]; do
        sleep 0.5
        now=$(folders)
        if [ "$now" = "$last" ]; then return 0; fi
        last=$now
        looks=$((looks + 1))
    done
}

# spaced: a storm of changes makes one pass in five seconds at most.
spaced() {
    stamp=/run/wslgpu/cdi-refreshed
    if [ -f "$stamp" ]; then
        since=$(($(date +%s) - $(stat -c %Y "$stamp")))
        if [ "$since" -ge 0 ] && [ "$since" -lt 5 ]; then sleep $((5 - since)); fi
    fi
    mkdir -p /run/wslgpu
    touch "$stamp"
}

# stale: say which specs are left as they were and name what is gone.
stale() {
    for file in "$gpu_ours" "$gpu_theirs" "$video_spec"; do
        [ -f "$file" ] || continue
        gone "$file" >"$work/gone"
        [ ! -s "$work/gone" ] ||
            problem platform "$file is stale and left as it was: it names $(head -n 1 "$work/gone"), which is gone" "Containers that ask for it do not start. wsl --shutdown after a driver update, or wslgpu apply."
    done
}

# held: one process of each container that was started with another driver store. Its mounts stay what they were: a new
# spec counts for containers that are started from then on.
held() {
    grep -oE " $video_stores/[^/ ]+/" /proc/[0-9]*/mountinfo 2>/dev/null | sort -u |
        sed -nE 's,^/proc/([0-9]+)/mountinfo: (.*)/$,\2 \1,p' | while read -r store pid; do
        if [ ! -d "$store" ]; then
            space=$(readlink "/proc/$pid/ns/mnt" 2>/dev/null) || continue
            echo "$space $store $pid $(cat "/proc/$pid/comm" 2>/dev/null)"
        fi
    done | sort -s -k 1,1 -k 3,3n | awk '$1 != last { print $2, $3, $4; last = $1 }'
}

case $1 in
held) held ;;
print)
    video_generate "$kind"
    cat "$work/video.yaml"
    ;;
once)
    hold_specs
    if [ "$2" = own ] && systemctl cat "$gpu_service" 2>/dev/null | grep -qE '/dev/dxg|/usr/lib/wsl'; then
        fail platform "the toolkit that is installed makes $gpu_kind itself ($gpu_service), and wslgpu was told that it does not" "Run wslgpu apply with this version as container_toolkit_version."
    fi
    gpu_generate wsl
    if [ "$2" = own ]; then gpu_put; elif ! gpu_fits; then gpu_trigger; fi
    video_generate "$kind"
    video_put "$kind"
    ;;
refresh)
    spaced
    tries=5
    while :; do
        quiet
        before=$(folders)
        if "$0" once "$2" "$kind" 2>"$work/said"; then
            # a change during the pass came too early for the next one to be triggered
            if [ "$(folders)" = "$before" ]; then break; fi
        elif [ "$tries" -le 1 ]; then
            cat "$work/said" >&2
            stale
            exit 1
        fi
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then break; fi
        sleep 1
    done
    held | while read -r store pid name; do
        echo "wslgpu: process $pid ($name) still has the files of $store, which is gone: restart its container"
    done
    ;;
esac
