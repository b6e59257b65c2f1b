"""What each component may put on a node: the places that are looked at before and after it.

A claim is no possession: what stood at a place before, and stands there still as it was, is somebody else's. What is a
component's own is written in the manifest.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from wslgpu import apt_preferences, cdi, dozen_offer, site_access, video_cdi
from wslgpu.build.record import PREFIX_ROOT
from wslgpu.containerd_config import CERTS_D, CONF_D
from wslgpu.containerd_config import CONFIG as CONTAINERD_CONFIG
from wslgpu.kubernetes import kubelet_config, node_shape
from wslgpu.manifest.model import Entry
from wslgpu.operations import k3s, kubernetes_node
from wslgpu.operations.apt_repository import TOOLKIT_SOURCES
from wslgpu.operations.nvidia_ctk import REFRESH_UNITS
from wslgpu.settings import Settings
from wslgpu.workloads import vllm_node

OWN = "/var/lib/wslgpu"
"""Our records on a node, whatever data_dir is."""
DATA_DIR = "{data_dir}"
"""Stands in claims for the setting data_dir."""
KEYRING = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
PROXY_DROP_IN = "/etc/systemd/system/containerd.service.d/50-wslgpu-proxy.conf"
_KEPT = ".wslgpu-before"
"""Ends the name of what ``keep_before`` (lib.sh) keeps beside a file."""


@dataclass(frozen=True)
class Claims:
    """One component's places.

    :param paths: of files, patterns of the shell: ``*`` stands for no slash
    :param folders: that may be made for them, outermost first
    :param links: ``(pattern, start of the target)``: only such links there are meant
    :param living: of ``paths``, those that our own units or apt's run make anew: their content is not recorded
    :param unkept: of ``paths``, those of which no copy is kept where they are somebody else's: credentials, and what is
        refused anyway
    :param data: folders in which what the component runs keeps its data; they go with it where they came with it
    :param by_itself: folders, some of ``data`` too, that what the component runs makes sooner or later: they are never
        recorded, so that the manifest does not depend on when. They go with packages that came with the component
    :param units: whose state the component changes
    :param artifacts: below /opt/wslgpu
    :param images: it puts images into containerd's store
    :param settings: settings that it reads, beside those that begin with its name
    """

    paths: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    living: tuple[str, ...] = ()
    unkept: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    by_itself: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    images: bool = False
    settings: tuple[str, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """Everything that is looked at."""
        return (*self.paths, *self.folders, *(pattern for pattern, _ in self.links), *self.data, *self.by_itself)

    def cover(self, path: str, entry: Entry, data_dir: str = OWN) -> bool:
        """Whether what stands at a path is one of this component's places."""

        def one(pattern: str) -> bool:
            return matches(pattern.replace(DATA_DIR, data_dir), path)

        if any(one(pattern) for pattern in (*self.paths, *self.folders, *self.data, *self.by_itself)):
            return True
        return entry.kind == "link" and any(
            one(pattern) and entry.target.startswith(start) for pattern, start in self.links
        )

    def lives(self, path: str, data_dir: str = OWN) -> bool:
        """Whether the content of a file is made anew by what runs, and so is no mark of a change by hand."""
        return any(matches(pattern.replace(DATA_DIR, data_dir), path) for pattern in self.living)


def matches(pattern: str, path: str) -> bool:
    """Whether a path fits a pattern as the shell takes it: part by part, a ``*`` for no dot at the beginning."""
    wanted, found = pattern.split("/"), path.split("/")
    return len(wanted) == len(found) and all(
        fnmatch.fnmatchcase(name, part) and (name[:1] != "." or part[:1] == ".")
        for part, name in zip(wanted, found, strict=True)
    )


def _with_kept(*paths: str) -> tuple[str, ...]:
    return tuple(path + end for path in paths for end in ("", _KEPT))


_APT_RECORDS = (f"{OWN}/apt-holds", f"{OWN}/apt-lists")
"""Of every component that installs packages."""
HOMES = dict.fromkeys(_APT_RECORDS, "base")
"""Places that several components write, and whose they are where that one is there; else the first has them."""
_SHARED_FOLDERS = ("/etc/containerd", CONF_D)

CLAIMS: dict[str, Claims] = {
    "wsl": Claims(
        paths=("/etc/wsl.conf", f"{DATA_DIR}/wslconfig"),
        settings=("wsl_conf", "wslconfig", "wslconfig_write", "wslconfig_windows_user", "data_dir"),
    ),
    "base": Claims(
        paths=(
            site_access.APT_PROXY,
            site_access.APT_CREDENTIALS,
            site_access.PROXY_ENVIRONMENT,
            "/etc/pip.conf",
            "/usr/local/share/ca-certificates/wslgpu-site*.crt",
            "/etc/ssl/certs/wslgpu-site*.pem",
            *_APT_RECORDS,
        ),
        folders=(OWN, DATA_DIR, "/etc/wslgpu", "/usr/local/share/ca-certificates"),
        living=_APT_RECORDS,
        settings=("proxy_url", "no_proxy", "proxy_credentials_file", "ca_file", "data_dir"),
    ),
    "containerd": Claims(
        paths=(
            *_with_kept(CONTAINERD_CONFIG, f"{CERTS_D}/*/hosts.toml"),
            f"{CERTS_D}/*/wslgpu-*.crt",
            PROXY_DROP_IN,
            *_APT_RECORDS,
        ),
        folders=(*_SHARED_FOLDERS, CERTS_D, f"{CERTS_D}/*", PROXY_DROP_IN.rpartition("/")[0]),
        living=_APT_RECORDS,
        data=("/var/lib/containerd", "/opt/containerd"),
        # its CRI plugin makes them, and watches them, a moment after containerd counts as started
        by_itself=("/etc/cni", "/etc/cni/net.d"),
        units=("containerd.service",),
        settings=("proxy_url", "container_toolkit_default_runtime"),
    ),
    "container_toolkit": Claims(
        paths=(
            KEYRING,
            TOOLKIT_SOURCES,
            apt_preferences.CONTAINER_TOOLKIT,
            *_with_kept("/etc/nvidia-container-runtime/config.toml", CONTAINERD_CONFIG, cdi.OUR_PATH),
            f"{CONF_D}/99-nvidia.toml",
            cdi.REFRESH_PATH,
            *_APT_RECORDS,
        ),
        folders=(*_SHARED_FOLDERS, "/etc/nvidia-container-runtime", "/etc/cdi", "/var/run/cdi"),
        living=(cdi.OUR_PATH, cdi.REFRESH_PATH, *_APT_RECORDS),
        units=REFRESH_UNITS,
        settings=("containerd_systemd_cgroup",),
    ),
    "video_cdi": Claims(
        paths=(video_cdi.PROGRAM, *video_cdi.UNIT_FILES, *_with_kept(video_cdi.SPEC)),
        folders=("/etc/cdi", "/usr/local/lib/wslgpu"),
        living=(video_cdi.SPEC,),
        units=video_cdi.UNITS,
        settings=("container_toolkit_version",),
    ),
    "cuda_images": Claims(images=True),
    "mesa_dozen": Claims(
        paths=(*dozen_offer.FILES, *_APT_RECORDS),
        folders=("/etc/vulkan", "/etc/vulkan/icd.d", PREFIX_ROOT, f"{PREFIX_ROOT}/mesa-dozen"),
        living=_APT_RECORDS,
        artifacts=("mesa-dozen",),
        settings=("builds",),
    ),
    "ffmpeg": Claims(
        paths=_APT_RECORDS,
        folders=(PREFIX_ROOT, f"{PREFIX_ROOT}/ffmpeg"),
        living=_APT_RECORDS,
        artifacts=("ffmpeg",),
        settings=("builds",),
    ),
    "kubernetes": Claims(
        paths=(
            *kubernetes_node.FILES,
            kubelet_config.KUBECONFIG,
            *k3s.FILES,
            k3s.PROGRAM,
            "/etc/rancher/k3s/k3s.yaml",
            f"{OWN}/kubernetes",
            *_APT_RECORDS,
        ),
        folders=(
            "/etc/kubernetes",
            "/etc/kubernetes/node-feature-discovery",
            "/etc/kubernetes/node-feature-discovery/features.d",
            "/etc/systemd/system/kubelet.service.d",
            "/etc/rancher",
            "/etc/rancher/k3s",
            "/opt/cni",
            node_shape.CNI_BIN,
        ),
        links=((f"{node_shape.CNI_BIN}/*", f"{k3s.PLUGINS}/"),),
        living=(kubelet_config.KUBECONFIG, "/etc/rancher/k3s/k3s.yaml", *_APT_RECORDS),
        unkept=(kubelet_config.BOOTSTRAP, kubelet_config.KUBECONFIG, "/etc/rancher/k3s/k3s.yaml", k3s.PROGRAM),
        data=("/var/lib/kubelet", "/var/lib/rancher", "/var/lib/cni"),
        # made for the first pod
        by_itself=("/var/lib/cni",),
        units=("kubelet.service", "k3s.service"),
        settings=("containerd_systemd_cgroup",),
    ),
    "vllm": Claims(
        paths=(*vllm_node.ALL_FILES, *_APT_RECORDS),
        folders=(
            "/etc/wslgpu",
            "/etc/wslgpu/vllm",
            "/etc/wslgpu/compose",
            vllm_node.COMPOSE_FOLDER,
            "/etc/containers",
            "/etc/containers/systemd",
        ),
        living=_APT_RECORDS,
        # Podman makes it when it is first called: the quadlet's image, its secrets, and whatever else is run with it
        data=("/var/lib/containers",),
        by_itself=("/var/lib/containers",),
        units=("wslgpu-vllm.service",),
    ),
}
"""By component, in the order of deploy.py.

Not claimed: what is below /run, which no boot keeps; .wslconfig and its backups on the Windows drive, which are
Windows' (``wslgpu remove`` says so); /var/cache/wslgpu-bundle, which goes when it is used, and with ``wslgpu clean``;
and /opt/wslgpu-bootstrap, from which a distro that provisions itself runs wslgpu.
"""
COMPONENTS = tuple(CLAIMS)


def words(data_dir: str = OWN, namespaces: Iterable[str] = ("k8s.io",)) -> tuple[str, ...]:
    """What node_state.sh is told so that one round trip reads the places of all components, and all packages.

    Paths of a manifest that are in no claim any more, and ``with=depends`` and the like, are the caller's to add.

    :param namespaces: of containerd, in which images are looked for
    """
    claims = CLAIMS.values()
    patterns = dict.fromkeys(pattern.replace(DATA_DIR, data_dir) for one in claims for pattern in one.patterns)
    return (
        *(f"path={pattern}" for pattern in patterns),
        *(f"unit={unit}" for unit in dict.fromkeys(unit for one in claims for unit in one.units)),
        *(f"artifact={name}" for one in claims for name in one.artifacts),
        *(f"namespace={name}" for name in namespaces),
        "with=packages",
    )


def is_marked(path: str, made: Iterable[str] = ()) -> bool:
    """Whether what stands at a path says itself that it is wslgpu's: by its name, or by its first line.

    :param made: files whose first line says it
    """
    return "wslgpu" in path or path in made


def settings_of(component: str, settings: Settings) -> dict[str, object]:
    """The settings that decide what a component puts on a node: those of its name, and those that its claims name."""
    also = CLAIMS[component].settings
    names = {name for name in type(settings).model_fields if name.startswith(component) or name in also}
    return settings.model_dump(mode="json", include=names)
