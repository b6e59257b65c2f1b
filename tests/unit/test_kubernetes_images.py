"""Images are asked for where the node would ask, before a pod waits for one that nobody has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cluster_answers import IMAGE, cluster, listed, node, settings_of_the_cluster
from wslgpu.errors import ErrorClass
from wslgpu.kubernetes.check_model import Verdict
from wslgpu.kubernetes.images import canonical, judge_images
from wslgpu.registry import RegistryError
from wslgpu.settings import Mirror, Settings


@pytest.fixture(scope="module")
def settings() -> Settings:
    return settings_of_the_cluster()


class Registry:
    """Answers by address, and keeps what it was asked."""

    def __init__(self, ends: dict[str, RegistryError | None]) -> None:
        self.ends = ends
        self.asked: list[str] = []

    def __call__(self, _repository: str, digest: str, **options: Any) -> str:
        place = str(options.get("base_url") or "upstream")
        self.asked.append(place)
        error = self.ends[place]
        if error is not None:
            raise error
        return digest


ABSENT = RegistryError("the registry answered 404", "", "", ErrorClass.PLATFORM)
DENIED = RegistryError("the registry answered 403", "", "", ErrorClass.PLATFORM)
DOWN = RegistryError("cannot be reached (DNS gives no address)", "", "", ErrorClass.NETWORK, True)
MIRROR = "https://mirror.example"


@pytest.mark.parametrize(
    ("mirror", "upstream", "verdict", "asked"),
    [
        (None, None, Verdict.FITS, [MIRROR]),
        (ABSENT, None, Verdict.FITS, [MIRROR, "upstream"]),
        (ABSENT, ABSENT, Verdict.REFUSED, [MIRROR, "upstream"]),
        (ABSENT, DOWN, Verdict.CANNOT_TELL, [MIRROR, "upstream"]),
        (DOWN, ABSENT, Verdict.CANNOT_TELL, [MIRROR, "upstream"]),
        (ABSENT, DENIED, Verdict.CANNOT_TELL, [MIRROR, "upstream"]),
    ],
)
def test_a_digest_is_asked_for_as_the_node_would(
    settings: Settings,
    mirror: RegistryError | None,
    upstream: RegistryError | None,
    verdict: Verdict,
    asked: list[str],
) -> None:
    with_mirror = settings.model_copy(
        update={"containerd_mirrors": [Mirror(registry="docker.io", url=MIRROR, capabilities=["pull"])]}
    )
    registry = Registry({MIRROR: mirror, "upstream": upstream})
    [one] = judge_images([IMAGE], cluster(), with_mirror, registry)
    assert (one.verdict, registry.asked) == (verdict, asked)


def test_an_image_that_a_node_has_is_not_asked_for(settings: Settings) -> None:
    registry = Registry({})
    [one] = judge_images([IMAGE], cluster(nodes=listed(node(images=[IMAGE]))), settings, registry)
    assert (one.verdict, registry.asked) == (Verdict.FITS, [])


def test_a_tag_is_a_warning(settings: Settings) -> None:
    [one] = judge_images(["nginx:latest"], cluster(), settings, Registry({}))
    assert one.verdict is Verdict.WARNING


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1", "docker.io/library/nginx"),
        ("nvidia/cuda:12", "docker.io/nvidia/cuda"),
        ("nvcr.io/nvidia/k8s-device-plugin:v1", "nvcr.io/nvidia/k8s-device-plugin"),
        ("localhost:5000/a", "localhost:5000/a"),
        ("localhost/a:b", "localhost/a"),
    ],
)
def test_names_of_repositories(name: str, whole: str) -> None:
    assert canonical(name) == whole
