"""vLLM as a Podman quadlet: systemd keeps the container, for people without Kubernetes and without Docker."""

from __future__ import annotations

import ipaddress
import json
import re

from wslgpu.settings import Settings
from wslgpu.templates import render
from wslgpu.workloads.compose import EVERYWHERE, cpus, health, host_path, memory_bytes
from wslgpu.workloads.model import NodeTruth, Rendered
from wslgpu.workloads.vllm import NAME, PULL_S, plan
from wslgpu.workloads.vllm_arguments import HOME, MODELS, USER, environment, words

PATH = "/etc/containers/systemd/wslgpu-vllm.container"
UNIT = "wslgpu-vllm.service"
KEY_FILE = "/etc/wslgpu/vllm/api-key"
"""On the node, mode 0600: the key and nothing else."""
LEAST_PODMAN = (4, 9)
"""What the keys are written for; quadlets came with 4.4 (github.com/containers/podman, release notes)."""


def word(text: str) -> str:
    """One word as systemd and Podman's generator read it back: quoted, no specifier, no variable of the unit's.

    Source: systemd.service(5), "command lines"; systemd.unit(5), "specifiers".

    :raises ValueError: it has what no line of a unit can hold
    """
    if not text.isprintable() or not text.isascii():
        raise ValueError(f"{text!r} cannot stand in a unit")
    doubled = text.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[A-Za-z0-9_./:=,@%+$-]+", doubled):
        return doubled
    return '"' + doubled.replace("\\", "\\\\").replace('"', '\\"') + '"'


def start_timeout_s(settings: Settings) -> int:
    """How long its start may take: the image arrives within it, and who waits for the start waits as long."""
    return settings.vllm_load_timeout_s + PULL_S


def published(listen: str, port: int) -> str:
    """``ADDRESS:PORT:PORT`` as podman reads it, an IPv6 address in brackets."""
    address = f"[{listen}]" if ipaddress.ip_address(listen).version == 6 else listen
    return f"{address}:{port}:{port}"


def quadlet(settings: Settings, truth: NodeTruth) -> Rendered:
    """The one file; it lies in /etc/containers/systemd."""
    decided = plan(settings, truth, kubernetes=False)
    arguments = words(settings, decided.ranks, host=EVERYWHERE, sleep=decided.sleep)
    mode = "ro" if settings.vllm_model_source == "local" else "rw"
    text = render(
        PATH,
        image=decided.image,
        exec=" ".join(map(word, arguments)),
        shared_memory=decided.shared_memory_bytes,
        memory=memory_bytes(settings, decided.shared_memory_bytes),
        cpus=cpus(settings.vllm_cpu_limit),
        published=published(settings.vllm_listen, settings.vllm_port),
        volume=f"{host_path(settings, 'quadlet')}:{MODELS}:{mode}",
        environment=[
            {"reason": one.reason, "assignment": word(f"{one.name}={one.value}")}
            for one in environment(settings, decided.ranks, sleep=decided.sleep)
        ],
        key_file=KEY_FILE if settings.vllm_api_key_file else "",
        user=USER,
        home=HOME,
        # as a list Podman runs it without a shell
        health=json.dumps(health(settings)),
        load_timeout_s=settings.vllm_load_timeout_s,
        start_timeout_s=start_timeout_s(settings),
        start=settings.vllm_start,
    )
    notes = list(decided.notes)
    if settings.vllm_api_key_file:
        notes.append(f"the key must lie in {KEY_FILE}, mode 0600, without an end of line; vllm_install puts it there")
    else:
        notes.append(f"it asks for no key, and only this machine can reach it ({settings.vllm_listen})")
    return Rendered(NAME, "quadlet", {PATH.rpartition("/")[2]: text}, notes=tuple(notes))
