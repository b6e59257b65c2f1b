"""Order and names of all operations of deploy.py, told by pyinfra's own --dry on hosts that answer nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
INVENTORY = Path(__file__).with_name("fake_hosts.py")

ORDER = """\
Preflight | Check that nothing stands in the way of the deploy
Preflight | Check that no newer wslgpu has changed the node
Preflight | Hold the node's lock
WSL | Hold the node's lock
WSL | Note what is there before it
WSL | Set our keys in /etc/wsl.conf
WSL | Render .wslconfig
WSL | Say what is wrong in both files and what waits for a restart
WSL | Record it in the node's manifest
Base | Hold the node's lock
Base | Note what is there before it
Base | Make the data directory
Base | Trust the site's certificate authorities
Base | Show apt the proxy
Base | Give apt the proxy's credentials
Base | Show downloads and services the proxy
Base | Show pip the proxy and the certificate authorities
Base | Install the packages that all else needs
Base | Record it in the node's manifest
containerd | Hold the node's lock
containerd | Note what is there before it
containerd | Install containerd
containerd | Name the registries' mirrors
containerd | Show containerd the proxy
containerd | Configure containerd and keep it running
containerd | Record it in the node's manifest
NVIDIA Container Toolkit | Hold the node's lock
NVIDIA Container Toolkit | Note what is there before it
NVIDIA Container Toolkit | Let apt know NVIDIA's repository by its key
NVIDIA Container Toolkit | Install and hold the toolkit's four packages
NVIDIA Container Toolkit | Pin the toolkit's version for apt
NVIDIA Container Toolkit | Set the nvidia runtime's mode
NVIDIA Container Toolkit | Give containerd the nvidia runtime
NVIDIA Container Toolkit | Keep the CDI spec in step with the driver
NVIDIA Container Toolkit | Record it in the node's manifest
Video CDI | Hold the node's lock
Video CDI | Note what is there before it
Video CDI | Make CDI specs anew when the driver changes
Video CDI | Keep the video device's CDI spec in step with the driver
Video CDI | Record it in the node's manifest
CUDA images | Hold the node's lock
CUDA images | Note what is there before it
CUDA images | Pull the base image by digest
CUDA images | Pull the runtime image by digest
CUDA images | Pull the devel image by digest
CUDA images | Record it in the node's manifest
Mesa Dozen | Hold the node's lock
Mesa Dozen | Note what is there before it
Mesa Dozen | Install Vulkan's loader and the libraries that Dozen links
Mesa Dozen | Install Dozen from the store
Mesa Dozen | Offer Dozen to Vulkan's loader
Mesa Dozen | Record it in the node's manifest
FFmpeg | Hold the node's lock
FFmpeg | Note what is there before it
FFmpeg | Install the libraries that FFmpeg links
FFmpeg | Install FFmpeg from the store
FFmpeg | Record it in the node's manifest
Kubernetes | Hold the node's lock
Kubernetes | Note what is there before it
Kubernetes | Take away what another role has put here
Kubernetes | Take away the k3s of another role
Kubernetes | Record it in the node's manifest
vLLM | Hold the node's lock
vLLM | Note what is there before it
vLLM | Take away the forms of vLLM that are not asked for
vLLM | Record it in the node's manifest
"""
"""The order is part of the design: what a component needs comes before it, and nothing before preflight."""

NO_STORE = {"WSLGPU_STORE_DIR": "/nonexistent/store"}
"""What this machine's own store holds is no part of the plan."""


@cache
def plan(deploy: str = "deploy.py") -> list[str]:
    """Names of the operations, in order."""
    command = [sys.executable, "-m", "pyinfra", "--json", str(INVENTORY), deploy, "--dry"]
    environment = {**os.environ, **NO_STORE, "PYINFRA_PROGRESS": "off"}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [row["name"] for row in json.loads(done.stdout)["plan"]]


def test_order_and_names() -> None:
    assert plan() == ORDER.splitlines()


@pytest.mark.parametrize(
    ("task", "title"),
    [
        ("containerd", "containerd"),
        ("container_toolkit", "NVIDIA Container Toolkit"),
        ("cuda_images", "CUDA images"),
        ("mesa_dozen", "Mesa Dozen"),
        ("ffmpeg", "FFmpeg"),
        ("video_cdi", "Video CDI"),
        ("kubernetes", "Kubernetes"),
        ("vllm", "vLLM"),
        ("base", "Base"),
    ],
)
def test_a_component_alone_does_what_it_does_in_the_whole(task: str, title: str) -> None:
    alone = plan(f"tasks.{task}.{task}")
    assert alone == [name for name in ORDER.splitlines() if name.startswith(f"{title} | ")]
