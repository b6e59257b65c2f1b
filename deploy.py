"""Which groups get which components. A host in no group of ours gets what every node needs."""

from pyinfra import host

from tasks.base import base
from tasks.container_toolkit import container_toolkit
from tasks.containerd import containerd
from tasks.cuda_images import cuda_images
from tasks.ffmpeg import ffmpeg
from tasks.kubernetes import kubernetes
from tasks.mesa_dozen import mesa_dozen
from tasks.preflight import preflight
from tasks.video_cdi import video_cdi
from tasks.vllm import vllm
from tasks.wsl import wsl
from wslgpu.host_settings import needs_sudo

sudo = needs_sudo()

preflight(_sudo=sudo)
wsl(_sudo=sudo)
base(_sudo=sudo)

if "gpu_nodes" in host.groups:
    containerd(_sudo=sudo)
    container_toolkit(_sudo=sudo)
    video_cdi(_sudo=sudo)
    cuda_images(_sudo=sudo)

if "gpu_nodes" in host.groups or "build_nodes" in host.groups:
    mesa_dozen(_sudo=sudo)
    ffmpeg(_sudo=sudo)

if "gpu_nodes" in host.groups:
    kubernetes(_sudo=sudo)
    vllm(_sudo=sudo)
