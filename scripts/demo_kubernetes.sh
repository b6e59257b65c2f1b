#!/bin/sh
# A fresh lab node becomes a cluster of one, gets its device plugin, and runs pods with a GPU, as far as there is one.
set -eu
cd "$(dirname "$0")/.."
name=${1:-demo-kubernetes-$$}
wslgpu=.venv/bin/wslgpu
began=$(date +%s)
work=$(mktemp -d "${TMPDIR:-/tmp}/wslgpu-demo-XXXXXX")
ffmpeg=""

step() {
    printf '\n== [%s/8, %s s] %s\n' "$1" "$(($(date +%s) - began))" "$2"
}

finish() {
    status=$?
    trap - EXIT
    # what was made is taken away whole, however impatient somebody is
    trap '' INT TERM HUP
    step 8 "Take the cluster and its node down: nothing stays running"
    $wslgpu lab down --name "$name" || status=1
    rm -rf "$work"
    case $status in
    0)
        printf '\nDone in %s s. ' "$(($(date +%s) - began))"
        cat <<'SAID'
What was genuine: Kubernetes 1.20.2 (API server, scheduler, controllers, kubelet, built from
source), etcd, containerd, runc, the CNI plugins, systemd, and all of wslgpu; also FFmpeg, where the job ran.
What stood in: the GPU and its driver, NVIDIA's container toolkit and NVIDIA's device plugin, which answer as records of
the genuine ones do. No GPU computed anything here.
SAID
        ;;
    129 | 130 | 143) printf '\nInterrupted.\n' >&2 ;;
    *) printf '\nThe demo failed; what is above says where.\n' >&2 ;;
    esac
    exit "$status"
}

# site KEY=JSON...: add to the lab's data
site() {
    .venv/bin/python - "$site_file" "$@" <<'PYTHON'
import json, pathlib, sys, yaml
path = pathlib.Path(sys.argv[1])
data = yaml.safe_load(path.read_text())
for word in sys.argv[2:]:
    key, _, value = word.partition("=")
    data[key] = json.loads(value)
path.write_text(yaml.safe_dump(data, sort_keys=False))
PYTHON
}

if [ -e "${WSLGPU_LAB_DIR:-/var/lib/wslgpu-lab}/$name" ]; then
    rm -rf "$work"
    echo "wslgpu: there is a lab '$name' already. Take it down first: $wslgpu lab down --name $name" >&2
    exit 2
fi
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

step 1 "Find an FFmpeg for the job: from the store, else the reduced one is built (WSLGPU_DEMO_FFMPEG=no: leave it out)"
if [ "${WSLGPU_DEMO_FFMPEG:-yes}" = no ]; then
    echo "left out, as asked"
else
    for build in ffmpeg-7.1.5 ffmpeg-7.1.5-reduced; do
        if $wslgpu store list --json 2>/dev/null | grep -q "\"$build\""; then
            ffmpeg=$build
            echo "the store has $build"
            break
        fi
    done
    if [ -z "$ffmpeg" ]; then
        if $wslgpu build ffmpeg-7.1.5-reduced; then
            ffmpeg="ffmpeg-7.1.5-reduced"
        else
            echo "It could not be built here, so the job is left out; all else goes on."
        fi
    fi
fi

step 2 "Make a node in the shape of WSL2 with a genuine control plane (the first time it is built: minutes)"
$wslgpu lab up --kubernetes --name "$name"
site_file="${WSLGPU_LAB_DIR:-/var/lib/wslgpu-lab}/$name/site.yml"
if [ -n "$ffmpeg" ]; then
    site "ffmpeg_build=\"$ffmpeg\"" 'ffmpeg_job_encoder="cpu"' \
        'ffmpeg_storage={"claim": "ffmpeg-media", "size": "1Gi", "host_path": "/srv/media"}'
fi

step 3 "Provision it over ssh: it joins the cluster and becomes Ready"
$wslgpu apply --lab "$name"

step 4 "Put RuntimeClass and device plugin on the cluster, by what it says of itself"
$wslgpu workload apply --lab "$name" runtime-class device-plugin namespace

step 5 "Follow the GPU from CDI spec to pod, link by link, with a pod that asks for one and prints what it sees"
$wslgpu workload chain --lab "$name" --pod

step 6 "Ask for four where one is advertised: refused before it is applied"
cat >"$work/four.json" <<'JSON'
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asks-for-four", "namespace": "default"},
 "spec": {"containers": [{"name": "main", "image": "docker.io/nvidia/cuda:four",
          "resources": {"limits": {"nvidia.com/gpu": "4"}}}]}}
JSON
code=0
$wslgpu workload check --lab "$name" --offline --file "$work/four.json" >"$work/said" || code=$?
cat "$work/said"
if [ "$code" != 1 ] || ! grep -q 'asks for 4 nvidia.com/gpu where 1 is advertised' "$work/said"; then
    echo "wslgpu: it should have been refused with 1, and ended with $code" >&2
    exit 1
fi

step 7 "Transcode a file with a job, by the CPU: no GPU is here"
if [ -z "$ffmpeg" ]; then
    echo "left out: there is no FFmpeg"
else
    program=/opt/wslgpu/ffmpeg/current/bin/ffmpeg
    $wslgpu lab exec --name "$name" node1 "mkdir -p /srv/media && $program -v error -y -f lavfi -i testsrc2=s=640x360:d=2 \
        -c:v libx264 /srv/media/input.mp4 && chown -R 2000:2000 /srv/media"
    $wslgpu workload apply --lab "$name" ffmpeg-storage ffmpeg-job
    $wslgpu lab exec --name "$name" node1 "ls -l /srv/media && $program -hide_banner -i /srv/media/output.mp4 2>&1 |
        grep Stream"
fi
