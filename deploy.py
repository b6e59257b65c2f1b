"""Which groups get which components. A host in no group of ours gets what every node needs."""

from pyinfra import host
from tasks.base import base
from tasks.container_toolkit import container_toolkit
from tasks.containerd import containerd
from tasks.cuda_images import cuda_images
from tasks.preflight import preflight
from tasks.wsl import wsl

preflight(_sudo=True)
wsl(_sudo=True)
base(_sudo=True)

if "gpu_nodes" in host.groups:
    containerd(_sudo=True)
    container_toolkit(_sudo=True)
    cuda_images(_sudo=True)
