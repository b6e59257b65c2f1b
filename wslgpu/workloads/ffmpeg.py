"""FFmpeg on Kubernetes: a worker that transcodes what is put into a folder, and a job that transcodes one file.

The source document's pod asks for no GPU, and waits for somebody to come in: it works by the accident that the CUDA
image asks for all GPUs, unseen by the scheduler. These ask for theirs, and do something.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from wslgpu.errors import UsageError
from wslgpu.settings import Settings
from wslgpu.templates import render_yaml
from wslgpu.workloads import ffmpeg_arguments
from wslgpu.workloads.ffmpeg_arguments import CPU
from wslgpu.workloads.ffmpeg_program import FOLDER, image, program_storage
from wslgpu.workloads.kubernetes_form import from_templates, labels
from wslgpu.workloads.manifest import GPU_RESOURCE
from wslgpu.workloads.model import NodeTruth, Rendered
from wslgpu.workloads.quantity import cpu_thousandths
from wslgpu.workloads.vllm import RUNTIME_CLASS
from wslgpu.workloads.vllm_arguments import USER, Variable

NAME = "ffmpeg"
JOB = "ffmpeg-job"
MEDIA = "/media"
_SHARED = ("/etc/wslgpu/kubernetes/ffmpeg/serviceaccount.yaml", "/etc/wslgpu/kubernetes/ffmpeg/configmap.yaml")
_DEPLOYMENT = (*_SHARED, "/etc/wslgpu/kubernetes/ffmpeg/deployment.yaml")
_JOB = (*_SHARED, "/etc/wslgpu/kubernetes/ffmpeg/job.yaml")
_PARTS = {
    "head_part": "/etc/wslgpu/kubernetes/ffmpeg/pod-head.yaml",
    "container_part": "/etc/wslgpu/kubernetes/ffmpeg/container.yaml",
    "volumes_part": "/etc/wslgpu/kubernetes/ffmpeg/volumes.yaml",
}
"""What the pods of both have in common, which their templates include."""
_PERIOD_S = 5
CPU_ASIDE = 1000
"""Thousandths of a processor."""
_SCRIPTS = {
    "transcode.sh": Path(__file__).with_name("ffmpeg_transcode.sh"),
    "worker.sh": Path(__file__).with_name("ffmpeg_worker.sh"),
}
TRANSCODE = ["/bin/sh", "/etc/wslgpu/transcode.sh"]


def deployment(settings: Settings, truth: NodeTruth) -> Rendered:
    """FFmpeg as a worker: what is put into a folder is transcoded, by the GPU."""
    words = ffmpeg_arguments.transcode(settings, settings.ffmpeg_encoder)
    inbox, outbox = f"{MEDIA}/{settings.ffmpeg_inbox}", f"{MEDIA}/{settings.ffmpeg_outbox}"
    sample, output = "/tmp/check/sample.mp4", "/tmp/check/output.mp4"  # noqa: S108  the pod's own
    common, notes = _common(settings, truth, NAME, settings.ffmpeg_encoder)
    values = {
        **common,
        "selector": {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "wslgpu"},
        "sample_command": [*TRANSCODE, "/dev/null", sample, *ffmpeg_arguments.sample(settings)],
        "check_command": [*TRANSCODE, "--again", sample, output, *words],
        "command": ["/bin/sh", "/etc/wslgpu/worker.sh", inbox, outbox, str(_PERIOD_S), *words],
        "alive": ["test", "-w", outbox],
    }
    notes += [
        f"put files into {settings.ffmpeg_inbox} of the volume {settings.ffmpeg_storage.claim_name}; they come out in"
        f" {settings.ffmpeg_outbox}",
        "it keeps a nvidia.com/gpu as long as it is there; where one stands for all, nothing else gets one meanwhile",
    ]
    return from_templates(NAME, _DEPLOYMENT, values, notes)


def job(settings: Settings, truth: NodeTruth) -> Rendered:
    """FFmpeg as a job: one file is transcoded, by the GPU or by the CPU."""
    encoder = settings.ffmpeg_job_encoder
    common, notes = _common(settings, truth, JOB, encoder)
    source, target = f"{MEDIA}/{settings.ffmpeg_job_input}", f"{MEDIA}/{settings.ffmpeg_job_output}"
    command = [*TRANSCODE, source, target, *ffmpeg_arguments.transcode(settings, encoder)]
    fixed = {
        **common,
        "command": command,
        "backoff_limit": settings.ffmpeg_job_backoff_limit,
        "deadline_s": settings.ffmpeg_job_deadline_s,
        "keep_s": settings.ffmpeg_job_keep_s,
    }
    # of the whole text, and not of the values alone: another version of the template is another job too
    text = render_yaml(_JOB[-1], labels=labels(JOB), job=JOB, **fixed)
    digest = hashlib.sha256(text.encode()).hexdigest()
    notes.append(
        f"it reads {settings.ffmpeg_job_input} of the volume {settings.ffmpeg_storage.claim_name} and makes"
        f" {settings.ffmpeg_job_output}; where that is there already, it changes nothing"
    )
    return from_templates(JOB, _JOB, {**fixed, "job": f"{JOB}-{digest[:8]}"}, notes)


def _common(settings: Settings, truth: NodeTruth, name: str, encoder: str) -> tuple[dict[str, Any], list[str]]:
    """What both forms share, and what the user should know."""
    gpu = encoder != CPU
    if gpu and truth.advertised == 0:
        raise UsageError(
            f"{name} needs a GPU, and the cluster has no nvidia.com/gpu to give: the pod would stay Pending",
            "device-plugin",
            "`wslgpu workload chain` shows where it breaks"
            + ("; or let the CPU do it: ffmpeg_job_encoder: cpu." if name == JOB else "."),
        )
    texts = {file: path.read_text(encoding="utf-8") for file, path in _SCRIPTS.items()}
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
    limits = {"cpu": settings.ffmpeg_cpu, "memory": settings.ffmpeg_memory, **({GPU_RESOURCE: "1"} if gpu else {})}
    # set aside is one at most: a node of two processors has less than two to give beside the device plugin
    aside = settings.ffmpeg_cpu if cpu_thousandths(settings.ffmpeg_cpu) < CPU_ASIDE else "1"
    environment, notes = _environment(settings, truth) if gpu else ([], [])
    artifact = settings.ffmpeg_pod_program == "artifact"
    space = settings.workload_namespace
    notes += [
        f"the namespace must be there: `wslgpu workload apply namespace`, or kubectl create namespace {space}",
        "the storage must be there: `wslgpu workload apply ffmpeg-storage`",
        f"user {USER} has to be allowed to write in the storage",
    ]
    if artifact:
        notes.append(f"the node must have {FOLDER}: `wslgpu apply` installs it where the store has it (ffmpeg_install)")
    values = {
        "name": name,
        "namespace": space,
        "gpu": gpu,
        "runtime_class": RUNTIME_CLASS,
        "user": USER,
        "image": image(settings),
        "environment": [one.values for one in environment],
        "requests": {**limits, "cpu": aside},
        "limits": limits,
        "media_claim": settings.ffmpeg_storage.claim_name,
        "program_claim": program_storage().claim_name if artifact else "",
        "program_folder": FOLDER,
        "scripts": f"{name}-scripts-{digest[:8]}",
        "scripts_text": texts,
        **{part: f"{path.lstrip('/')}.j2" for part, path in _PARTS.items()},
    }
    return values, notes


def _environment(settings: Settings, truth: NodeTruth) -> tuple[list[Variable], list[str]]:
    """How the driver's codec libraries get into the pod."""
    legacy = Variable(
        "NVIDIA_DRIVER_CAPABILITIES",
        "compute,video,utility",
        "the toolkit's legacy mode brings the codec libraries only when asked to; its other modes take no notice",
    )
    legacy_mode = settings.container_toolkit_runtime_mode == "legacy"
    # in that mode nobody reads CDI specs: the name of a CDI device would be an unknown GPU
    if truth.video_device and not legacy_mode:
        device = Variable(
            "NVIDIA_VISIBLE_DEVICES",
            f"nvidia.com/gpu=all,{truth.video_device}",
            "the codec libraries are a CDI device of their own; WSL2 has no isolation that this could undo",
        )
        return [device, legacy], []
    if settings.toolkit.wsl_mounts == "whole-store" or legacy_mode:
        return [legacy], []
    known = "the node has" if truth.video_device == "" else "it is not known here whether the node has"
    no = "no " if truth.video_device == "" else "a "
    note = (
        f"toolkit {settings.container_toolkit_version} gives containers no codec libraries, and {known} {no}CDI device"
        " with them (video_cdi_install): without it FFmpeg cannot load libnvidia-encode.so.1"
    )
    return [legacy], [note]
