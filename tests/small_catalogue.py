"""A catalogue of a few entries for tests of judging, so that they do not hang on the product's."""

from __future__ import annotations

import datetime
from typing import Any

from wslgpu.catalogue.load import Catalogue
from wslgpu.catalogue.model import Capability, SiteFile, Waiver, Workload

TODAY = datetime.date(2026, 11, 21)
SOURCE = {"url": "https://example.org/page", "date": TODAY, "what": "a page"}
OK = {"path": "result", "equals": 0}


def capability(name: str, works: dict[str, Any], expect: str = "works", **more: Any) -> Capability:
    """An entry whose expectation is one row for WSL2."""
    row = {"platform": "wsl2", "expect": expect, "confidence": more.pop("confidence", "high")}
    data = {
        "id": name,
        "title": f"Title of {name}",
        "meaning": "It means something",
        "works": works,
        "expectations": [row],
        "remedy": f"Mend {name}.",
        "sources": [SOURCE],
        **more,
    }
    return Capability.model_validate(data)


def workload(name: str, requires: list[str], **more: Any) -> Workload:
    data = {"id": name, "title": f"Title of {name}", "meaning": "Work", "requires": requires, **more}
    return Workload.model_validate(data)


CAPABILITIES = [
    capability("cuda.init", {"of": "cuda.init", **OK}),
    capability("cuda.kernel", {"of": "cuda.kernel", "path": "correct", "equals": True}, needs=["cuda.init"]),
    capability("cuda.graph", {"of": "cuda.graph", **OK}, needs=["cuda.kernel"], confidence="low"),
    capability("cuda.ipc", {"of": "cuda.ipc.open", **OK}, "cannot", needs=["cuda.init"]),
    capability("cuda.pool", {"of": "cuda.pool.posix_fd", **OK}, "varies"),
    capability(
        "cuda.pinned",
        {"of": "cuda.pinned.budget", "path": "granted_bytes", "at_least": 1 << 28},
        limited={"of": "cuda.pinned.budget", "path": "granted_bytes", "at_most": 1 << 32},
        confidence="medium",
    ),
    capability(
        "docker.engine",
        {"of": "docker.engine", "path": "runtimes", "contains": "nvidia"},
        applies={"of": "docker.client", "exists": True},
    ),
    capability("codec.ffmpeg", {"of": "codec.ffmpeg", "exists": True}),
]

WORKLOADS = [
    workload("inference", ["cuda.init", "cuda.kernel", "cuda.graph"], standard=True),
    workload("sharing", ["cuda.kernel", "cuda.ipc"]),
    workload("offload", ["cuda.kernel", "cuda.pinned"]),
    workload("either", ["cuda.init"], one_of=[["cuda.ipc", "codec.ffmpeg"]]),
    workload(
        "better",
        ["cuda.init"],
        better_with=[
            {"capability": "cuda.ipc", "consequence": "copies go through the host"},
            {"capability": "cuda.graph", "consequence": "launches take longer"},
        ],
    ),
    workload("docker", ["docker.engine"], applies={"of": "docker.client", "exists": True}),
]


def waiver(name: str, expires: str) -> Waiver:
    return Waiver(capability=name, reason="known", person="Ada", expires=datetime.date.fromisoformat(expires))


def catalogue(**site: Any) -> Catalogue:
    """The catalogue with a site over it."""
    return Catalogue(
        {entry.id: entry for entry in CAPABILITIES},
        {entry.id: entry for entry in WORKLOADS},
        SiteFile.model_validate(site),
    )
