"""vLLM for people without Kubernetes: as a Podman quadlet, or as a Docker Compose project."""

from pyinfra import host
from pyinfra.api import deploy

from wslgpu.errors import DataError, WslgpuError
from wslgpu.host_settings import host_settings
from wslgpu.operations import manifest, run_lock
from wslgpu.operations import vllm as vllm_operations
from wslgpu.settings import exit_on_error
from wslgpu.workloads import vllm_key, vllm_node
from wslgpu.workloads.model import NodeTruth


@deploy("vLLM")
def vllm() -> None:
    """The form that the data ask for, and no other; started only where they say so."""
    settings = host_settings()
    contents: dict[str, str] = {}
    if settings.vllm_install != "none":
        try:
            key = vllm_key.read(settings.vllm_api_key_file)
            contents = vllm_node.contents(settings.vllm_install, settings, NodeTruth(), key)
        except WslgpuError as error:
            exit_on_error(DataError(error.what, error.where, error.next_step))
            raise

    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="vllm", settings=settings)
    vllm_operations.absent(name="Take away the forms of vLLM that are not asked for", settings=settings)
    if settings.vllm_install != "none":
        vllm_operations.packages(name="Have what runs vLLM's container", settings=settings, form=settings.vllm_install)
        for path in host.loop(vllm_node.ALL_FILES):  # type: ignore[no-untyped-call]
            if path in contents:
                vllm_operations.file(name=f"Keep {path}", path=path, content=contents[path])
        vllm_operations.service(name="Start or stop vLLM", settings=settings, form=settings.vllm_install)
    manifest.recorded(name="Record it in the node's manifest", component="vllm", settings=settings)
