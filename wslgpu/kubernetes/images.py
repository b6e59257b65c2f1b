"""Is an image's digest in its registry? Asked as the node would: its mirrors first, then the registry itself.

A node that has the image already asks nobody. Whatever keeps a registry from being asked leaves the question open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from wslgpu.errors import ErrorClass
from wslgpu.kubernetes.check_model import Judgement, Verdict
from wslgpu.kubernetes.cluster_facts import ClusterFacts
from wslgpu.registry import RegistryError, resolve_digest
from wslgpu.settings import Settings
from wslgpu.site_access import proxy_with_credentials, read_credentials
from wslgpu.verdict.seen import NotSeenError

TIMEOUT_S = 20
Resolve = Callable[..., str]


def judge_images(
    images: Iterable[str], facts: ClusterFacts, settings: Settings, resolve: Resolve = resolve_digest
) -> list[Judgement]:
    """A judgement for each image that is not what it should be, and one for all that are.

    :param resolve: as :func:`wslgpu.registry.resolve_digest`
    """
    try:
        present = frozenset().union(*(node.images for node in facts.nodes()))
    except NotSeenError:
        present = frozenset()
    wanted = list(dict.fromkeys(images))
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda image: _judge(image, present, settings, resolve), wanted))


def _judge(image: str, present: frozenset[str], settings: Settings, resolve: Resolve) -> Judgement:
    name, _, digest = image.partition("@")
    if not digest.startswith("sha256:"):
        what = f"{image} is named by a tag, which may be another image tomorrow"
        return Judgement("images", Verdict.WARNING, what, (), "Name it by digest: NAME@sha256:...")
    repository = canonical(name)
    if f"{repository}@{digest}" in present or image in present:
        return Judgement("images", Verdict.FITS, f"{repository}: a node has it")
    return ask(repository, digest, settings, resolve)


def canonical(name: str) -> str:
    """The repository with its registry and without a tag, as containerd writes it: ``nginx`` is one of docker.io's."""
    path = name.partition(":")[0] if "/" not in name else name
    last = path.rpartition("/")[2]
    path = path[: len(path) - len(last)] + last.partition(":")[0]
    first = path.partition("/")[0]
    if "/" not in path:
        return f"docker.io/library/{path}"
    return path if "." in first or ":" in first or first == "localhost" else f"docker.io/{path}"


def ask(repository: str, digest: str, settings: Settings, resolve: Resolve) -> Judgement:
    """Ask each place in turn until one has it."""
    registry = repository.partition("/")[0]
    places: list[tuple[str, dict[str, object]]] = [
        (mirror.url, {"base_url": mirror.url, "ca_file": mirror.ca_file})
        for mirror in settings.containerd_mirrors
        if mirror.registry == registry and "pull" in mirror.capabilities
    ]
    places.append((registry, {"proxies": _proxies(settings), "ca_file": settings.ca_file}))
    absent: list[str] = []
    unasked: list[str] = []
    for place, options in places:
        try:
            resolve(repository, digest, timeout_s=TIMEOUT_S, **options)
        except RegistryError as error:
            (absent if is_absent(error) else unasked).append(f"{place}: {error.what}")
        else:
            return Judgement("images", Verdict.FITS, f"{repository}@{digest[:19]}: {place} has it")
    if unasked:
        return Judgement(
            "images",
            Verdict.CANNOT_TELL,
            f"nobody could say whether {repository}@{digest} is there",
            (*absent, *unasked),
            "Check the way to the registry from here; a node may have another.",
        )
    return Judgement(
        "images",
        Verdict.REFUSED,
        f"{repository}@{digest} is not in the registry: its pods would stay in ImagePullBackOff",
        tuple(absent),
        "Compare the digest in the data with the registry's (wslgpu pins resolve asks for it by tag).",
    )


def is_absent(error: RegistryError) -> bool:
    """The registry answered, and has no such manifest."""
    return error.error_class is ErrorClass.PLATFORM and " 404" in error.what


def _proxies(settings: Settings) -> Mapping[str, str]:
    if not settings.proxy_url:
        return {}
    proxy = proxy_with_credentials(settings.proxy_url, read_credentials(settings.proxy_credentials_file))
    return {"http": proxy, "https": proxy}
