"""The pins of vLLM: which versions there are, by which image, and what each does on WSL2.

``group_data/vllm.yml`` is the table; a site adds and replaces rows in site.yml (``vllm_versions``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from wslgpu.pins import PinnedImage, Strict, Url
from wslgpu.yaml_source import YamlDocument, load_yaml, validate

VllmVersionName = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+(\.post\d+|rc\d+)?$")]
PIN_MEMORY_VARIABLE = "VLLM_WSL2_ENABLE_PIN_MEMORY"
"""Source: https://github.com/vllm-project/vllm/pull/41496."""


class VllmImage(PinnedImage):
    """The image of one version."""

    repository: Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+$")] = "docker.io/vllm/vllm-openai"


class VllmVersion(Strict):
    """What one version does on WSL2.

    :param pin_memory: ``off``: it never pins memory there; ``opt-in``: VLLM_WSL2_ENABLE_PIN_MEMORY=1 makes it
    :param without_pinned_memory: ``runs``, or ``may-die`` at start with "UVA is not available"
    :param note: for people
    """

    image: VllmImage
    pin_memory: Literal["off", "opt-in"]
    without_pinned_memory: Literal["runs", "may-die"] = "runs"
    note: str = ""
    sources: Annotated[list[Url], Field(min_length=1)]


class VllmPins(Strict):
    """The whole of vllm.yml."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    versions: dict[VllmVersionName, VllmVersion]


def load_vllm(path: Path) -> tuple[VllmPins, YamlDocument]:
    """Read vllm.yml.

    :raises DataError: anything wrong in it, by file and line
    """
    document = load_yaml(path)
    return validate(VllmPins, document), document


def as_data(pins: VllmPins) -> dict[str, Any]:
    """The table as settings have it."""
    return {"vllm_versions": pins.model_dump(mode="json")["versions"]}
