"""The settings of a deploy: every value that a task reads, typed, with its meaning and default.

pins.yml gives profiles, site.yml the site's choices; what results is one flat mapping, exported to pyinfra by
group_data/all.py under these names, and read back in a task with :func:`of_host`. Nothing else reads host.data.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import gevent
from pydantic import AfterValidator, Field, ValidationError, model_validator

from wslgpu import wsl_keys
from wslgpu.build.pins import BuildPin, Identifier, KnownCrash, SourcePin, as_data, check_sources, load_builds
from wslgpu.build.record import Sha256Digest
from wslgpu.errors import DataError
from wslgpu.kubernetes.k3s_pins import load_k3s
from wslgpu.kubernetes.node_settings import KubernetesNodeSettings
from wslgpu.pins import (
    DebianVersion,
    Fingerprint,
    ImagePin,
    OptionalUrl,
    Pins,
    Strict,
    ToolkitVersion,
    Url,
    load_pins,
)
from wslgpu.project import PROJECT_ROOT as PROJECT_ROOT
from wslgpu.workloads import plugin_pins, vllm_pins
from wslgpu.workloads.plugin_settings import PluginSettings
from wslgpu.workloads.workload_settings import WorkloadSettings
from wslgpu.yaml_source import YamlDocument, data_error, load_yaml, validate

PINS_FILE = PROJECT_ROOT / "group_data" / "pins.yml"
BUILDS_FILE = PROJECT_ROOT / "group_data" / "builds.yml"
DEVICE_PLUGINS_FILE = PROJECT_ROOT / "group_data" / "device_plugins.yml"
VLLM_FILE = PROJECT_ROOT / "group_data" / "vllm.yml"
SITE_VARIABLE = "WSLGPU_SITE"
"""Environment variable that names another site file than site.yml in the project's root; it holds no setting."""


def _absolute(value: str) -> str:
    if not value.startswith("/") or ".." in value.split("/"):
        raise ValueError(f"must be an absolute path without '..'; it is {value!r}")
    return value.rstrip("/") or "/"


def _own_kind(value: str) -> str:
    if value in ("nvidia.com/gpu", "runtime.nvidia.com/gpu"):
        raise ValueError(f"must be a kind of your own; {value} is NVIDIA's")
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
CdiKind = Annotated[
    str,
    Field(pattern=r"^[a-z]([a-z0-9.-]*[a-z0-9])?/[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?$"),
    AfterValidator(_own_kind),
]
WslSections = dict[str, dict[str, wsl_keys.Scalar]]


_TABLES = (
    "container_toolkit_versions",
    "build_sources",
    "builds",
    "device_plugins",
    "vllm_versions",
    "kubernetes_k3s_versions",
)
_WSL_FILES = (
    ("wsl_conf", wsl_keys.WSL_CONF, "wsl.conf"),
    ("wslconfig", wsl_keys.WSLCONFIG, ".wslconfig"),
)


class Mirror(Strict):
    """A registry mirror for containerd (certs.d/REGISTRY/hosts.toml).

    :param capabilities: ``resolve`` lets the mirror turn a tag into a digest: trusting it with that is a choice
    :param ca_file: PEM file on the controller that the mirror's certificate is checked against
    """

    registry: Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:\d+)?$|^_default$")]
    url: Url
    capabilities: list[Literal["pull", "resolve"]] = ["pull"]
    ca_file: str = ""


class Settings(KubernetesNodeSettings, PluginSettings, WorkloadSettings):
    """All settings. Sizes are bytes, durations seconds, paths on the node unless said otherwise."""

    profile: str

    # lock
    lock_required: bool = False
    """Deploy only what a lock names: without one, nothing is deployed."""
    lock_file: str = ""
    """The lock in force, a path on the controller; set by wslgpu itself, as is lock_digest."""
    lock_digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""

    # what a node must be
    wsl_required: bool = True
    """False admits machines that are not WSL2, on purpose and visibly."""
    gpu_at: Literal["now", "first-boot"] = "now"
    """first-boot: the driver comes later, as in an image: its absence is no obstacle, and CDI specs are made when a
    machine with a GPU boots."""
    supported_distributions: list[str] = ["debian 12", "debian 13", "ubuntu 22.04", "ubuntu 24.04"]
    """``ID VERSION_ID`` of os-release."""
    minimum_kernel: Annotated[str, Field(pattern=r"^\d+(\.\d+)+$")] = "5.10.43"
    """NVIDIA's CUDA on WSL guide asks for 5.10.43.3 or newer."""
    clock_skew_limit_s: Annotated[int, Field(gt=0)] = 60
    free_disk_reserve_bytes: Annotated[int, Field(ge=0)] = 1_000_000_000
    """What must stay free beyond what the data asks for."""

    # the way out of the network
    proxy_url: OptionalUrl = ""
    """Proxy for apt, containerd, pip and downloads; user and password stand in proxy_credentials_file."""
    no_proxy: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9._:*/-]+$")]] = ["localhost", "127.0.0.1", "::1"]
    proxy_credentials_file: str = ""
    """File on the controller, mode 0600, holding ``user:password``."""
    ca_file: str = ""
    """PEM file on the controller with the company's certificate authorities, added to the node's trust store."""

    # wsl
    wsl_conf: WslSections = {"boot": {"systemd": True}}
    """Keys of /etc/wsl.conf that are ours; others stay as the user set them."""
    wslconfig: WslSections = {}
    """Keys of the Windows side's .wslconfig."""
    wslconfig_write: bool = False
    """Write .wslconfig on the mounted Windows drive, with a backup, instead of only rendering it."""
    wslconfig_windows_user: Annotated[str, Field(pattern=r"^[^/\\:*?\"<>|]*$")] = ""
    """Windows user whose .wslconfig it is, where more than one is possible."""

    # base
    base_packages: list[PackageName] = ["ca-certificates", "curl", "gnupg", "iproute2", "kmod", "procps"]
    data_dir: AbsolutePath = "/var/lib/wslgpu"
    apt_lock_timeout_s: Annotated[int, Field(ge=0)] = 120
    download_timeout_s: Annotated[int, Field(gt=0)] = 300
    """Deadline of one download; a transfer slower than 1 kB/s for 30 s ends earlier."""
    allow_downgrade: bool = False

    # containerd
    containerd_package: Literal["auto", "containerd", "containerd.io"] = "auto"
    """auto: containerd.io where that is installed, else the distribution's containerd."""
    containerd_version: DebianVersion | Literal[""] = ""
    """Exact version to hold, or the archive's candidate."""
    containerd_systemd_cgroup: bool | Literal["auto"] = "auto"
    """auto: systemd's driver on cgroup v2, cgroupfs on v1."""
    containerd_mirrors: list[Mirror] = []

    # container_toolkit
    container_toolkit_version: DebianVersion
    container_toolkit_repository_uri: Url
    container_toolkit_key_url: Url
    container_toolkit_key_fingerprint: Fingerprint
    container_toolkit_versions: dict[DebianVersion, ToolkitVersion]
    container_toolkit_runtime_mode: Literal["auto", "cdi", "jit-cdi", "legacy"] = "auto"
    container_toolkit_default_runtime: bool = True
    """Make nvidia containerd's default runtime, so that pods and containers need no runtime class."""

    # cuda_images
    cuda_images: list[ImagePin]
    cuda_images_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "k8s.io"

    # what is built from source
    build_sources: dict[Identifier, SourcePin]
    builds: dict[Identifier, BuildPin]
    artifacts_build_missing: bool = False
    """Let `wslgpu apply` build, on the machine it runs on, what the store does not have. Nodes never compile."""

    # mesa_dozen
    mesa_dozen_build: Identifier
    """Row of ``builds``."""
    mesa_dozen_artifact: Sha256Digest | Literal[""] = ""
    """Digest of the one artifact to install, or the youngest of that build in the store."""
    mesa_dozen_install: Literal["auto", "required", "absent"] = "auto"
    """auto: install it where the store has it; required: fail where it has not; absent: take it away."""
    mesa_dozen_offer: Literal["shell", "system"] = "shell"
    """shell: for those who source its env.sh; system: the Vulkan loader lists it for everybody, beside its others."""
    mesa_dozen_adapter: Annotated[str, Field(pattern=r"^[A-Za-z0-9 ._-]*$")] = "NVIDIA"
    """Part of the name of the adapter to prefer (MESA_D3D12_DEFAULT_ADAPTER_NAME); empty: the driver's own choice."""
    mesa_dozen_known_crashes: list[KnownCrash] = []

    # ffmpeg
    ffmpeg_build: Identifier
    ffmpeg_artifact: Sha256Digest | Literal[""] = ""
    ffmpeg_install: Literal["auto", "required", "absent"] = "auto"

    # video_cdi
    video_cdi_install: Literal["auto", "absent"] = "auto"
    """auto: containers can ask for the driver's video codec libraries as a CDI device of their own."""
    video_cdi_kind: CdiKind = "wslgpu.dev/gpu"
    """CDI kind of that device, whose name is ``video``."""

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.container_toolkit_version not in self.container_toolkit_versions:
            known = ", ".join(self.container_toolkit_versions)
            raise ValueError(
                f"container_toolkit_version {self.container_toolkit_version} is not in the table of pins ({known});"
                " add a row for it under container_toolkit_versions"
            )
        check_sources(self.builds, self.build_sources)
        for name, artifact in (("mesa_dozen_build", "mesa-dozen"), ("ffmpeg_build", "ffmpeg")):
            if getattr(self, name) not in self.builds or self.builds[getattr(self, name)].artifact != artifact:
                known = ", ".join(key for key, build in self.builds.items() if build.artifact == artifact)
                raise ValueError(f"{name}: there is no build {getattr(self, name)!r} of {artifact} (known: {known})")
        if self.device_plugin_namespace == self.workload_namespace:
            raise ValueError(
                f"device_plugin_namespace and workload_namespace are both {self.workload_namespace}: the first is"
                " privileged and without a network, the second is neither"
            )
        roles = [image.role for image in self.cuda_images]
        if doubled := {role for role in roles if roles.count(role) > 1}:
            raise ValueError(f"cuda_images names the role {sorted(doubled)[0]} twice")
        for name, table, file_name in _WSL_FILES:
            if problems := wsl_keys.mapping_problems(getattr(self, name), table, file_name):
                raise ValueError(f"{name}: {problems[0][1]}")
        return self

    @property
    def toolkit(self) -> ToolkitVersion:
        """What the chosen toolkit version does on WSL2."""
        return self.container_toolkit_versions[self.container_toolkit_version]

    def as_data(self) -> dict[str, Any]:
        """The settings as plain JSON-able values, by name."""
        return self.model_dump(mode="json")


class _Site(Strict):
    """The part of site.yml that is not a setting."""

    profile: str = ""


def site_file() -> Path:
    """The site file in force: named by WSLGPU_SITE, else site.yml in the project's root (which may be missing)."""
    return Path(os.environ.get(SITE_VARIABLE) or PROJECT_ROOT / "site.yml")


def load(site: Path | None = None, pins_file: Path = PINS_FILE) -> Settings:
    """Settings from pins, profile and site file.

    :param site: the site file; None: the one in force, where a missing default is an empty one
    :raises DataError: anything wrong in either file, by file and line
    """
    pins, pins_document = load_pins(pins_file)
    path = site or site_file()
    named = site is not None or SITE_VARIABLE in os.environ
    document = load_yaml(path) if path.exists() or named else YamlDocument(path, {}, {})
    return resolve(pins, pins_document, document)


def resolve(pins: Pins, pins_document: YamlDocument, site: YamlDocument) -> Settings:
    """Settings from read documents: the profile's values, then the site's over them.

    :raises DataError: by file and line
    """
    if not isinstance(site.data, dict):
        raise DataError("must hold keys and values", site.where())
    profile = site.data.get("profile", pins.default_profile)
    if profile not in pins.profiles:
        known = ", ".join(pins.profiles)
        raise DataError(f"profile: there is no profile {profile!r}", site.where(("profile",)), f"Known: {known}.")
    base: dict[str, Any] = {
        "profile": profile,
        "container_toolkit_repository_uri": pins.container_toolkit_repository.uri,
        "container_toolkit_key_url": pins.container_toolkit_repository.key_url,
        "container_toolkit_key_fingerprint": pins.container_toolkit_repository.key_fingerprint,
        "container_toolkit_versions": pins.model_dump(mode="json")["container_toolkit_versions"],
        **as_data(load_builds(BUILDS_FILE)[0]),
        **plugin_pins.as_data(plugin_pins.load_device_plugins(DEVICE_PLUGINS_FILE)[0]),
        **vllm_pins.as_data(vllm_pins.load_vllm(VLLM_FILE)[0]),
        **load_k3s(),
        **pins.profiles[profile],
    }
    profile_document = YamlDocument(
        pins_document.path,
        None,
        {loc[2:]: line for loc, line in pins_document.lines.items() if loc[:2] == ("profiles", profile)},
    )
    validate(Settings, profile_document, base)
    for key in ("lock_file", "lock_digest"):
        if key in site.data:
            raise DataError(
                f"{key}: is set by wslgpu itself", site.where((key,)), "Name the lock with WSLGPU_LOCK=FILE."
            )
    merged = {**base, **site.data, "profile": profile, **_merged_tables(base, site)}
    _check_wsl_keys(site)
    return validate(Settings, site, merged)


def _merged_tables(base: dict[str, Any], site: YamlDocument) -> dict[str, Any]:
    """The tables to which a site adds rows, or replaces some."""
    tables = {}
    for name in _TABLES:
        rows = site.data.get(name, {})
        if not isinstance(rows, dict):
            raise DataError(f"{name}: must be a table", site.where((name,)))
        tables[name] = {**base[name], **rows}
    return tables


def _check_wsl_keys(site: YamlDocument) -> None:
    """The same check as in Settings, but where the line of each section and key is known."""
    for name, table, file_name in _WSL_FILES:
        value = site.data.get(name)
        if isinstance(value, dict) and all(isinstance(keys, dict) for keys in value.values()):
            for path, message in wsl_keys.mapping_problems(value, table, file_name):
                raise DataError(message, site.where((name, *path)))


def site_overrides(site: Path) -> dict[str, Any]:
    """The settings that a site file names itself, checked, as plain values: data for one host or group.

    A profile that it names comes with that profile's values.
    """
    settings = load(site)
    named = set(load_yaml(site).data)
    if "profile" in named:
        named |= set(load_pins(PINS_FILE)[0].profiles[settings.profile])
    return {key: value for key, value in settings.as_data().items() if key in named}


def of_data(data: Mapping[str, Any]) -> Settings:
    """Settings from a resolved data mapping, such as a host's.

    :raises DataError: a value that came in past the files (``--data``, an inventory) is wrong
    """
    known = {key: data[key] for key in Settings.model_fields if key in data}
    try:
        return Settings.model_validate(known)
    except ValidationError as error:
        raise data_error(error, YamlDocument(Path("host data"), None, {})) from error


def exit_on_error(error: DataError) -> None:
    """End the process with 2 and one line: what raw pyinfra needs to hear, since it knows no exit codes of ours."""
    sys.stderr.write(f"wslgpu: {error}\n")
    if isinstance(gevent.getcurrent(), gevent.Greenlet):
        # deploy code runs in one for each host, and there a SystemExit ends in a traceback
        sys.stderr.flush()
        os._exit(error.exit_code)
    raise SystemExit(error.exit_code)
