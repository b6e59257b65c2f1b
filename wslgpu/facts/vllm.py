"""vLLM on a node without Kubernetes: what could run it, what of it is there, and its model, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class VllmState:
    """
    :param podman: its version; empty where it is not installed
    :param podman_candidate: the version that apt would install, where it is not
    :param docker: the engine's version; empty where there is none that answers
    :param compose: version of ``docker compose``
    :param files: those of ours that are there
    :param load: systemd's word for wslgpu-vllm.service: ``loaded``, ``not-found``
    :param active: ``active``, ``failed``, …
    :param enabled: ``enabled``, ``generated`` for a quadlet's, …
    :param stale: what changed since the service started; empty where it knows all
    :param port: who listens on the port: ``"NAME",pid=N``
    :param model: ``there``, ``incomplete``, ``missing``, or empty where none was asked for
    :param model_file_system: kind of the file system that it is on, or would be
    """

    podman: str = ""
    podman_candidate: str = ""
    docker: str = ""
    compose: str = ""
    files: tuple[str, ...] = ()
    load: str = ""
    active: str = ""
    enabled: str = ""
    stale: str = ""
    port: str = ""
    model: str = ""
    model_file_system: str = ""


def parse_vllm(lines: list[str]) -> VllmState:
    """Read vllm.sh's output."""
    rows = [(key, value.strip()) for key, _, value in (line.partition(" ") for line in lines)]
    single = dict(rows)
    found, _, kind = single.get("model", "").partition(" ")
    return VllmState(
        podman=single.get("podman", ""),
        podman_candidate=single.get("podman-candidate", ""),
        docker=single.get("docker", ""),
        compose=single.get("compose", ""),
        files=tuple(value for key, value in rows if key == "file"),
        load=single.get("load", ""),
        active=single.get("active", ""),
        enabled=single.get("enabled", ""),
        stale=single.get("stale", ""),
        port=single.get("port", ""),
        model=found,
        model_file_system=kind,
    )


class Vllm(ScriptFact[VllmState]):
    """The node's :class:`VllmState`."""

    script_name = "vllm"

    @staticmethod
    def default() -> VllmState:
        return VllmState()

    def command(self, port: int, model: str, files: tuple[str, ...]) -> StringCommand:  # type: ignore[override]
        """:param model: folder of a local model, or empty
        :param files: all that may be ours
        """
        return super().command(port, model, *files)

    def process(self, output: list[str]) -> VllmState:
        return parse_vllm(output)
