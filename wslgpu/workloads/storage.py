"""Where a workload's files are: a claim of the cluster's, or a folder of the node's. Pure.

A folder of the node's reaches pods as a persistent volume with a claim, not as a hostPath volume of the pod: the
restricted Pod Security profile forbids the latter (kubernetes.io/docs/concepts/security/pod-security-standards), and
making a volume needs an administrator of the cluster, as it should.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from wslgpu.pins import Strict
from wslgpu.workloads.quantity import Bytes, ObjectName

_WINDOWS_DRIVE = re.compile(r"/mnt/[A-Za-z](/|$)|/mnt/wsl(g)?(/|$)")


def _node_path(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._+@=-]+)+/?", value) or ".." in value.split("/"):
        raise ValueError(f"must be an absolute path of letters, digits and ._+@=- without '..'; it is {value!r}")
    if _WINDOWS_DRIVE.match(value):
        raise ValueError(
            f"{value} is on a Windows drive: 9p or drvfs, so reads take many times as long and files keep no Linux"
            " permissions; use a folder of the Linux file system, such as /srv/models"
        )
    return value.rstrip("/")


def _relative(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+@=-]*(/[A-Za-z0-9_][A-Za-z0-9._+@=-]*)*", value):
        raise ValueError(f"must be a path below the storage, of letters, digits and ._+@=-; it is {value!r}")
    return value


NodePath = Annotated[str, AfterValidator(_node_path)]
RelativePath = Annotated[str, AfterValidator(_relative)]


class Storage(Strict):
    """A workload's storage.

    :param claim: name of the PersistentVolumeClaim
    :param create: render the claim; False: it is there already
    :param storage_class: of the claim; empty: the cluster's default
    :param host_path: folder of the node that is used in the claim's place; what Compose and Podman mount
    """

    claim: ObjectName
    create: bool = True
    size: Bytes = "100Gi"
    storage_class: Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$")] = ""
    access: Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"] = "ReadWriteOnce"
    host_path: NodePath | Literal[""] = ""

    @model_validator(mode="after")
    def _one_place(self) -> Storage:
        if self.host_path and (self.storage_class or not self.create):
            raise ValueError(
                "host_path goes with neither storage_class nor create: false; its volume and claim are made"
            )
        return self

    @property
    def claim_name(self) -> str:
        """The claim's name; of a host path it holds the path's hash, since neither claim nor volume can be changed."""
        if not self.host_path:
            return self.claim
        return f"{self.claim[:54]}-{hashlib.sha256(self.host_path.encode()).hexdigest()[:8]}"

    def volume_name(self, namespace: str) -> str:
        """Name of the persistent volume, which is the whole cluster's."""
        return f"{namespace}-{self.claim_name}"
