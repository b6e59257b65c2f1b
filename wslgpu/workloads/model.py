"""What is known of a node before something is rendered for it, and what a rendering is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Form = Literal["kubernetes", "helm", "compose", "quadlet"]


@dataclass(frozen=True)
class NodeTruth:
    """What a node or its cluster says of itself; None where nobody has said so yet.

    :param kubernetes: the server's (major, minor)
    :param gpus: GPUs that one process on the node sees
    :param advertised: allocatable ``nvidia.com/gpu``
    :param video_device: qualified name of the CDI device with the codec libraries; empty: the node has none
    :param shared_memory_bytes: memory that could become /dev/shm
    """

    kubernetes: tuple[int, int] | None = None
    gpus: int | None = None
    advertised: int | None = None
    video_device: str | None = None
    shared_memory_bytes: int | None = None


@dataclass(frozen=True)
class Rendered:
    """One workload in one form.

    :param files: text by path relative to the folder that it is written into
    :param documents: the Kubernetes objects in the order in which they are applied; none for other forms
    :param notes: what the user should know, a sentence each
    """

    name: str
    form: Form
    files: Mapping[str, str]
    documents: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = field(default=())
