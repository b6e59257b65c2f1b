"""The pins of k3s: group_data/k3s.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from wslgpu.pins import UNRESOLVED, Strict, Url
from wslgpu.project import PROJECT_ROOT
from wslgpu.yaml_source import load_yaml, validate

K3S_FILE = PROJECT_ROOT / "group_data" / "k3s.yml"
K3sVersion = Annotated[str, Field(pattern=r"^v1\.\d+\.\d+\+k3s\d+$")]


def _sha256(value: str) -> str:
    if value != UNRESOLVED and (len(value) != 64 or set(value) - set("0123456789abcdef")):
        raise ValueError(f"must be 64 hexadecimal digits, or {UNRESOLVED!r}; it is {value!r}")
    return value


class K3sPin(Strict):
    """One release of k3s: a single program for amd64.

    :param sha256: of the program, as the release's sha256sum-amd64.txt gives it, or ``unresolved``
    :param size_bytes: about; what is larger by half is refused while it is fetched
    :param seen: where and when the hash was seen
    :param verified: somebody compared it with the program itself
    """

    url: Url
    sha256: Annotated[str, AfterValidator(_sha256)]
    size_bytes: Annotated[int, Field(gt=0)]
    source: Url
    seen: str = ""
    verified: bool = False


class _K3sFile(Strict):
    schema_version: Annotated[Literal[1], Field(alias="schema")]
    kubernetes_k3s_version: K3sVersion
    kubernetes_k3s_versions: dict[K3sVersion, K3sPin]


def load_k3s(path: Path = K3S_FILE) -> dict[str, Any]:
    """The settings that the file gives: ``kubernetes_k3s_version`` and ``kubernetes_k3s_versions``, plain values.

    :raises DataError: anything wrong in it, by file and line
    """
    document = load_yaml(path)
    return validate(_K3sFile, document).model_dump(mode="json", exclude={"schema_version"})
