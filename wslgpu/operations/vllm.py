"""vLLM on a node without Kubernetes: Podman or Docker, the files of one form, and the service that both are run by."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.vllm import Vllm, VllmState
from wslgpu.operations import apt, base_state
from wslgpu.operations.notes import would_refuse
from wslgpu.operations.script import script
from wslgpu.settings import Settings
from wslgpu.workloads import quadlet, vllm_node
from wslgpu.workloads.vllm_node import FILES, Form, Obstacle


def _state(settings: Settings) -> VllmState:
    return bound.read(Vllm, port=settings.vllm_port, model=vllm_node.model_path(settings), files=vllm_node.ALL_FILES)


def _refusal(obstacles: Iterable[Obstacle]) -> StringCommand | None:
    found = list(obstacles)
    if not found:
        return None
    for one in found:
        would_refuse(one.error_class, one.what, one.next_step)
    return script("fail", *(word for one in found for word in (one.error_class, one.what, one.next_step)))


@operation()
def absent(settings: Settings) -> Generator[StringCommand, None, None]:
    """Have no file of the forms that the data do not ask for, and nothing of them running. Packages and images stay."""
    state = _state(settings)
    gone = [path for form, paths in FILES.items() if form != settings.vllm_install for path in paths]
    present = [path for path in gone if path in state.files]
    if not present:
        host.noop("no other form of vLLM is there")
        return
    # a unit that is to go on by another form is started anew by that
    yield script("vllm_absent", True, *present)


@operation()
def packages(settings: Settings, form: Form) -> Generator[StringCommand, None, None]:
    """Install Podman where it is to run vLLM; refuse a node whose Podman or Docker cannot."""
    refusal = _refusal(vllm_node.program_obstacles(form, _state(settings), start=settings.vllm_start))
    if refusal is not None:
        yield refusal
        return
    if form == "compose":
        host.noop("Docker is never installed by wslgpu")
        return
    yield from apt.packages._inner(
        names=vllm_node.PODMAN_PACKAGES,
        lock_timeout_s=settings.apt_lock_timeout_s,
        download_timeout_s=settings.download_timeout_s,
    )


@operation()
def file(path: str, content: str) -> Generator[StringCommand, None, None]:
    """Keep one file of a form; the key's with mode 0600. An empty text is no file."""
    mode = "600" if vllm_node.is_secret(path) else "644"
    yield from base_state.text_file._inner(path=path, content=content, mode=mode, watched=vllm_node.ALL_FILES)


@operation()
def service(settings: Settings, form: Form) -> Generator[StringCommand, None, None]:
    """Have the service running by its files as they are, or stopped.

    A model that is missing or on a Windows drive, and a port that is taken, are refused before anything is started.
    """
    state = _state(settings)
    enable = form == "compose"
    if not settings.vllm_start:
        if state.active in ("inactive", "unknown", "") and state.enabled != "enabled" and state.load == "loaded":
            host.noop("vLLM is installed and stopped")
            return
        yield script("vllm_service", "stopped", enable, settings.download_timeout_s)
        return
    refusal = _refusal(vllm_node.start_obstacles(state, settings))
    if refusal is not None:
        yield refusal
        return
    if state.active == "active" and not state.stale and (not enable or state.enabled == "enabled"):
        host.noop("vLLM runs by its files as they are")
        return
    yield script("vllm_service", "running", enable, quadlet.start_timeout_s(settings))
