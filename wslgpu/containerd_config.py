"""containerd's configuration: which schema a version has, and a config.toml with our keys in it.

Everything here is text in, text out. A present config.toml keeps whatever is not ours, comments included.

Why config.toml itself and not a drop-in: before containerd 2.0 an imported file replaces a plugin's whole section
(containerd PR 9982), and NVIDIA's drop-in 99-nvidia.toml repeats the CRI section of config.toml as it was when
``nvidia-ctk runtime configure`` ran. What is not in config.toml then is lost as soon as that drop-in is made.

Sources: containerd docs/man/containerd-config.toml.5.md, docs/cri/config.md, docs/hosts.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from wslgpu.templates import render as render_template

CONFIG = "/etc/containerd/config.toml"
CONF_D = "/etc/containerd/conf.d"
CERTS_D = "/etc/containerd/certs.d"
IMPORTS = f"{CONF_D}/*.toml"
CDI_SPEC_DIRS = ("/etc/cdi", "/var/run/cdi")
RUNC_TYPE = "io.containerd.runc.v2"

_GRPC_CRI = "io.containerd.grpc.v1.cri"
_RUNTIME = "io.containerd.cri.v1.runtime"
_IMAGES = "io.containerd.cri.v1.images"

DEBIAN_PACKAGED = f"""\
version = 2

[plugins]
  [plugins."{_GRPC_CRI}"]
    [plugins."{_GRPC_CRI}".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
"""
"""What Debian's package for containerd 1.x ships: its places, which 1.6 does not have compiled in."""


class ConflictError(ValueError):
    """The present configuration holds something that cannot stand beside ours; the text says what."""


@dataclass(frozen=True)
class Wanted:
    """What we want of containerd.

    :param version: containerd's own, (major, minor)
    :param restrict_oom_score_adj: for a node whose root may not lower an OOM score (no CAP_SYS_RESOURCE)
    """

    version: tuple[int, int]
    systemd_cgroup: bool
    restrict_oom_score_adj: bool = False

    @property
    def schema(self) -> int:
        return schema_of(self.version)

    @property
    def runtime_section(self) -> str:
        """The plugin whose section holds the runtimes."""
        return _GRPC_CRI if self.schema == 2 else _RUNTIME

    @property
    def images_section(self) -> str:
        """The plugin whose section holds the registries."""
        return _GRPC_CRI if self.schema == 2 else _IMAGES


def parse_version(text: str) -> tuple[int, int] | None:
    """(major, minor) of ``1.7.24~ds1`` or ``v2.1.9``; None for anything else."""
    match = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def schema_of(version: tuple[int, int]) -> int:
    """The configuration schema that a containerd version writes itself: 2 in 1.x, 3 from 2.0, 4 from 2.3."""
    if version < (2, 0):
        return 2
    return 3 if version < (2, 3) else 4


def has_cdi(version: tuple[int, int]) -> bool:
    """The CRI plugin knows CDI devices: from 1.7 on, off by default there and on by default from 2.0."""
    return version >= (1, 7)


def render(present: str | None, wanted: Wanted, *, debian_packaged: bool = False) -> str:
    """config.toml with our keys set.

    A present file that is missing, no TOML, or of another schema is started anew (the caller keeps a copy).

    :param debian_packaged: the package ships a config.toml of its own (Debian's does), to start from
    :raises ConflictError: the present file holds something that containerd refuses beside our keys
    """
    document = _parse(present)
    if document is None or document.get("version") != wanted.schema:
        debian = debian_packaged and wanted.schema == 2
        document = tomlkit.parse(DEBIAN_PACKAGED if debian else f"version = {wanted.schema}\n")
    document = _with_imports(document)
    _enable_cri(document)
    plugins = _table(document, "plugins")
    runtime = _table(plugins, wanted.runtime_section)
    _cdi(runtime, wanted)
    _set_or_drop(runtime, "restrict_oom_score_adj", True if wanted.restrict_oom_score_adj else None)
    engine = _table(runtime, "containerd")
    if engine.get("default_runtime_name") == "nvidia":
        del engine["default_runtime_name"]  # NVIDIA's drop-in says so, or it is not so
    runc = _table(_table(engine, "runtimes"), "runc")
    _set(runc, "runtime_type", RUNC_TYPE)
    _set(_table(runc, "options"), "SystemdCgroup", wanted.systemd_cgroup)
    registry = _table(_table(plugins, wanted.images_section), "registry")
    for key in ("mirrors", "configs"):
        if registry.get(key):
            raise ConflictError(
                f"{CONFIG} sets registry.{key}, which containerd refuses beside hosts.toml files in {CERTS_D}"
            )
    _set(registry, "config_path", CERTS_D)
    return tomlkit.dumps(document)


def _parse(text: str | None) -> TOMLDocument | None:
    try:
        return tomlkit.parse(text) if text is not None else None
    except TOMLKitError:
        return None


def _with_imports(document: TOMLDocument) -> TOMLDocument:
    present = document.get("imports")
    items = [str(item) for item in present] if isinstance(present, list) else []
    if IMPORTS in items:
        return document
    if present is None:  # a top-level key must stand before the first table: written there, not appended
        return tomlkit.parse(f'imports = ["{IMPORTS}"]\n{tomlkit.dumps(document)}')
    document["imports"] = [*items, IMPORTS]
    return document


def _enable_cri(document: TOMLDocument) -> None:
    """Docker's containerd.io ships ``disabled_plugins = ["cri"]``."""
    disabled = document.get("disabled_plugins")
    if isinstance(disabled, list):
        kept = [str(item) for item in disabled if str(item) not in ("cri", _GRPC_CRI, _RUNTIME, _IMAGES)]
        _set(document, "disabled_plugins", kept)


def _cdi(section: Table, wanted: Wanted) -> None:
    if wanted.schema > 2:
        # on by default, with both directories: only what says otherwise goes
        if section.get("enable_cdi") is False:
            del section["enable_cdi"]
        if "cdi_spec_dirs" in section and list(section["cdi_spec_dirs"]) != list(CDI_SPEC_DIRS):
            del section["cdi_spec_dirs"]
        return
    known = has_cdi(wanted.version)
    _set_or_drop(section, "enable_cdi", True if known else None)
    _set_or_drop(section, "cdi_spec_dirs", list(CDI_SPEC_DIRS) if known else None)


def _table(parent: Any, name: str) -> Any:
    """The table of that name, made where there is none."""
    if not isinstance(parent.get(name), Mapping):
        parent[name] = tomlkit.table(is_super_table=True)
    return parent[name]


def _set(table: Any, key: str, value: Any) -> None:
    """Set a key only where it differs, so that a settled file stays the same byte for byte."""
    if key in table and table[key] == value and type(value) is type(_plain(table[key])):
        return
    table[key] = value


def _plain(value: Any) -> Any:
    return value.unwrap() if hasattr(value, "unwrap") else value


def _set_or_drop(table: Any, key: str, value: Any) -> None:
    if value is not None:
        _set(table, key, value)
    elif key in table:
        del table[key]


@dataclass(frozen=True)
class MirrorHost:
    """One host of a hosts.toml. ``ca_path``: PEM file on the node, or empty."""

    url: str
    capabilities: tuple[str, ...]
    ca_path: str = ""


def hosts_toml(registry: str, hosts: Sequence[MirrorHost]) -> str:
    """certs.d/REGISTRY/hosts.toml: the mirrors in order, the registry itself last.

    A mirror without ``resolve`` is asked for content by digest only, never what a tag means (docs/hosts.md).
    """
    server = "https://registry-1.docker.io" if registry == "docker.io" else f"https://{registry}"
    return render_template(
        f"{CERTS_D}/hosts.toml",
        server="" if registry == "_default" else _toml(server),
        hosts=[
            {
                "url": _toml(host.url),
                "capabilities": _toml(list(host.capabilities)),
                "ca": _toml(host.ca_path) if host.ca_path else "",
            }
            for host in hosts
        ],
    )


def _toml(value: str | list[str]) -> str:
    return str(tomlkit.item(value).as_string())
