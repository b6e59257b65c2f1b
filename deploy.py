"""Which groups get which components. A host in no group of ours gets what every node needs."""

from pyinfra import host

from tasks.base import base
from tasks.container_toolkit import container_toolkit
from tasks.containerd import containerd
from tasks.cuda_images import cuda_images
from tasks.ffmpeg import ffmpeg
from tasks.mesa_dozen import mesa_dozen
from tasks.preflight import preflight
from tasks.wsl import wsl
from wslgpu.host_settings import needs_sudo

sudo = needs_sudo()

preflight(_sudo=sudo)
wsl(_sudo=sudo)
base(_sudo=sudo)

if "gpu_nodes" in host.groups:
    containerd(_sudo=sudo)
    container_toolkit(_sudo=sudo)
    cuda_images(_sudo=sudo)

if "gpu_nodes" in host.groups or "build_nodes" in host.groups:
    mesa_dozen(_sudo=sudo)
    ffmpeg(_sudo=sudo)
