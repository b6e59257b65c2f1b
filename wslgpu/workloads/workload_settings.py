"""What a site chooses about vLLM and FFmpeg as workloads."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from wslgpu.pins import Strict
from wslgpu.workloads import shared_memory
from wslgpu.workloads.quantity import Bytes, Cpu, Namespace, ObjectName, cpu_thousandths
from wslgpu.workloads.storage import RelativePath, Storage
from wslgpu.workloads.vllm_pins import VllmVersion, VllmVersionName

Count = Annotated[int, Field(ge=1, le=10_000_000)]
PictureSide = Annotated[int, Field(ge=16, le=16384, multiple_of=2)]
"""Even: with 4:2:0 two pixels share a colour, and x264 refuses what is odd."""
Seconds = Annotated[int, Field(ge=1, le=7 * 86_400)]
ImageReference = Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$")]
"""By digest only."""
OWN_ARGUMENTS = (
    "--api-key",
    "--config",
    "--disable-custom-all-reduce",
    "--dtype",
    "--enable-sleep-mode",
    "--gpu-memory-utilization",
    "--host",
    "--max-model-len",
    "--max-num-batched-tokens",
    "--max-num-seqs",
    "--model",
    "--port",
    "--served-model-name",
    "--tensor-parallel-size",
)
"""Options of ``vllm serve`` that settings of their own decide; a key in the command line is seen by every user."""
SECRET_ARGUMENTS = ("--hf-token",)
"""Options that no setting stands for: in the command line every user sees them, and they would lie in the manifest."""


def _argument(value: str) -> str:
    if not re.fullmatch(r"[\x20-\x7e]{1,2000}", value):
        raise ValueError("must be printable ASCII of 1 to 2000 characters")
    # vLLM's parser takes options in either spelling, and any beginning of one that is not ambiguous
    name = value.partition("=")[0].replace("_", "-")
    for own in OWN_ARGUMENTS:
        if name == own or (len(name) > 2 and name.startswith("--") and own.startswith(name)):
            raise ValueError(f"{name} is decided by a setting of its own (vllm_...), not by vllm_extra_arguments")
    for secret in SECRET_ARGUMENTS:
        if len(name) > 2 and name.startswith("--") and secret.startswith(name):
            raise ValueError(f"{name} would show a secret to every user: fetch the model beforehand")
    if name in ("-tp", "-q"):
        raise ValueError(f"{name}: write the long form, or use the setting")
    return value


def _address(value: str) -> str:
    try:
        address = str(ipaddress.ip_address(value))
    except ValueError:
        address = ""
    # with a zone (fe80::1%eth0) it is an interface's, and neither Compose nor a unit takes it as it is
    if not address or "%" in address:
        raise ValueError(f"must be an IP address such as 127.0.0.1; it is {value!r}")
    return address


Argument = Annotated[str, AfterValidator(_argument)]
Address = Annotated[str, AfterValidator(_address)]


class WorkloadSettings(Strict):
    """Part of :class:`wslgpu.settings.Settings`."""

    workload_namespace: Namespace = "gpu-workloads"
    """Kubernetes namespace of vLLM and FFmpeg."""

    # vllm: what is served
    vllm_versions: dict[VllmVersionName, VllmVersion]
    vllm_version: str
    """Row of ``vllm_versions``."""
    vllm_model: Annotated[RelativePath, Field(max_length=200)] = "Qwen/Qwen3-VL-32B-Instruct"
    """Folder below the storage, or name at Hugging Face."""
    vllm_model_source: Literal["local", "hub"] = "local"
    """local: the folder is there, and nothing is asked of the internet; hub: vLLM fetches it into the storage."""
    vllm_served_name: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._:/-]{0,199})?$")] = ""
    """What clients call it; empty: the last part of vllm_model."""
    vllm_tensor_parallel_size: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = "auto"
    """GPUs that one model is spread over; auto: all that the node is seen to have, or 1 where nobody has looked."""
    vllm_max_model_len: Count | None = 32768
    """Of this and the following, null leaves the choice to vLLM."""
    vllm_gpu_memory_utilization: Annotated[float, Field(gt=0, lt=1)] = 0.85
    """Share of the GPU's memory; Windows keeps some, so it is lower than vLLM's own choice."""
    vllm_max_num_seqs: Count | None = 10
    vllm_max_num_batched_tokens: Count | None = 32768
    vllm_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "bfloat16"
    vllm_extra_arguments: Annotated[list[Argument], Field(max_length=100)] = []
    """Further words of ``vllm serve``, as they are."""
    vllm_pin_memory: Literal["auto", "on", "off"] = "auto"
    """auto: on where the version would die at start without it on WSL2, and off elsewhere, as vLLM itself chooses."""
    vllm_sleep_mode: Literal["auto", "off", "on"] = "auto"
    """auto: on where vllm_sleep_judgement says GO for the workload vllm-sleep-mode, else off."""
    vllm_sleep_judgement: str = ""
    """File on the controller that ``wslgpu check --json`` wrote for the node."""

    # vllm: where it listens and who may ask
    vllm_port: Annotated[int, Field(ge=1024, le=65535)] = 8000
    vllm_listen: Address = "127.0.0.1"
    """Address of the node that Compose and Podman publish the port on; another than loopback asks for a key."""
    vllm_api_key_file: str = ""
    """File on the controller, mode 0600, that holds the key on one line."""
    vllm_api_key_secret: ObjectName = "vllm-api-key"  # noqa: S105  a name, no secret
    """Kubernetes Secret whose entry ``api-key`` is the key. Others can reach a pod, so that form always has one."""

    # vllm: what it takes of the node
    vllm_storage: Storage = Storage(claim="vllm-models")
    vllm_load_timeout_s: Seconds = 1800
    """How long the model may take to load, and in the hub's case to arrive, before vLLM is started anew."""
    vllm_cpu_request: Cpu = "1"
    vllm_cpu_limit: Cpu = "8"
    vllm_memory: Bytes = "24Gi"
    """Memory of the host, without /dev/shm, which is added to it."""
    vllm_shared_memory: Bytes | Literal["auto"] = "auto"
    """Size of /dev/shm; auto: by the number of ranks."""

    # vllm on a node without Kubernetes
    vllm_install: Literal["none", "quadlet", "compose"] = "none"
    """none takes away what was put there before."""
    vllm_start: bool = False
    """Start it, and with every boot; the image and the model must be there, or be to be had."""

    # ffmpeg
    ffmpeg_pod_program: Literal["artifact", "image"] = "artifact"
    """artifact: the node's /opt/wslgpu/ffmpeg, mounted read-only; image: the program ``ffmpeg`` of ffmpeg_pod_image."""
    ffmpeg_pod_image: ImageReference | Literal[""] = ""
    """Image by digest; empty: the base image of cuda_images, which has what the artifact links."""
    ffmpeg_storage: Storage = Storage(claim="ffmpeg-media", size="20Gi")
    ffmpeg_inbox: RelativePath = "in"
    """Folder below the storage whose files the deployment transcodes, one after the other."""
    ffmpeg_outbox: RelativePath = "out"
    ffmpeg_encoder: Literal["h264_nvenc", "hevc_nvenc", "av1_nvenc"] = "h264_nvenc"
    ffmpeg_width: PictureSide = 854
    ffmpeg_height: PictureSide = 480
    ffmpeg_quality: Annotated[int, Field(ge=0, le=51)] = 28
    """Constant quality: -cq of NVENC, -crf of x264; less is better."""
    ffmpeg_cpu: Cpu = "2"
    """Processors that it may use; one of them at most is set aside for it."""
    ffmpeg_memory: Bytes = "2Gi"

    # ffmpeg-job
    ffmpeg_job_input: RelativePath = "input.mp4"
    ffmpeg_job_output: RelativePath = "output.mp4"
    ffmpeg_job_encoder: Literal["h264_nvenc", "hevc_nvenc", "av1_nvenc", "cpu"] = "h264_nvenc"
    """cpu: libx264 and the scaler of FFmpeg's own, for nodes without a GPU."""
    ffmpeg_job_backoff_limit: Annotated[int, Field(ge=0, le=100)] = 3
    ffmpeg_job_deadline_s: Seconds = 3600
    ffmpeg_job_keep_s: Annotated[int, Field(ge=0, le=30 * 86_400)] = 86_400
    """How long the finished job and its log stay."""

    # after the table, whose rows are there only when they are right
    @field_validator("vllm_version")
    @classmethod
    def _has_a_vllm_row(cls, value: str, info: ValidationInfo) -> str:
        table = info.data.get("vllm_versions")
        if table is not None and value not in table:
            raise ValueError(
                f"{value} is not in the table of vLLM's versions ({', '.join(table)}); name one of these, or add a row"
                " under vllm_versions in site.yml with the keys that the rows of group_data/vllm.yml have"
            )
        return value

    @model_validator(mode="after")
    def _workloads_fit(self) -> WorkloadSettings:
        if self.vllm_shared_memory != "auto" and self.vllm_tensor_parallel_size != "auto":
            try:
                shared_memory.size_bytes(self.vllm_tensor_parallel_size, self.vllm_shared_memory)
            except ValueError as error:
                raise ValueError(f"vllm_shared_memory: {error}") from None
        if not ipaddress.ip_address(self.vllm_listen).is_loopback and not self.vllm_api_key_file:
            raise ValueError(
                f"vllm_listen: others can reach {self.vllm_listen}, so vllm_api_key_file has to name a file with a key"
            )
        if self.vllm_install != "none" and not self.vllm_storage.host_path:
            raise ValueError(f"vllm_install: {self.vllm_install} needs vllm_storage.host_path: claims are Kubernetes'")
        if cpu_thousandths(self.vllm_cpu_request) > cpu_thousandths(self.vllm_cpu_limit):
            raise ValueError(
                f"vllm_cpu_request: {self.vllm_cpu_request} is more than vllm_cpu_limit {self.vllm_cpu_limit}"
            )
        vllm, ffmpeg = self.vllm_storage, self.ffmpeg_storage
        if vllm.create and ffmpeg.create and vllm.claim_name == ffmpeg.claim_name:
            raise ValueError(f"vllm_storage and ffmpeg_storage both make the claim {vllm.claim_name}: name two")
        if vllm.access == "ReadOnlyMany" and self.vllm_model_source == "hub":
            raise ValueError("vllm_storage: a model of the hub is written into it, and its access is ReadOnlyMany")
        if ffmpeg.access == "ReadOnlyMany":
            raise ValueError("ffmpeg_storage: FFmpeg writes into it, and its access is ReadOnlyMany")
        if self.ffmpeg_pod_program == "image" and not self.ffmpeg_pod_image:
            raise ValueError("ffmpeg_pod_program: image needs ffmpeg_pod_image, by digest")
        if self.ffmpeg_job_input == self.ffmpeg_job_output or self.ffmpeg_inbox == self.ffmpeg_outbox:
            raise ValueError("ffmpeg: input and output must be two places")
        return self

    @property
    def vllm(self) -> VllmVersion:
        """What the chosen version of vLLM is and does."""
        return self.vllm_versions[self.vllm_version]
