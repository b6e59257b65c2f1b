"""containerd's files, as containerd itself reads them."""

from __future__ import annotations

from typing import Any

import tomlkit

from tests.node.support.checks import unknown
from tests.node.support.node import Node

CONFIG = "/etc/containerd/config.toml"
DROP_INS = "/etc/containerd/conf.d"
CERTS = "/etc/containerd/certs.d"
PACKAGES = ("containerd", "containerd.io")
CRI_PLUGINS = ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri")
"""The CRI runtime's section: containerd 2 (schema 3 on), containerd 1 (schema 2)."""


def merged_config(node: Node) -> dict[str, Any]:
    """The files with their imports, merged by containerd; an AssertionError when it refuses them."""
    answer = node.kept("containerd", "config", "dump")
    assert answer.ok, f"containerd refuses its configuration: {answer}"
    return tomlkit.parse(answer.out).unwrap()


def cri_section(config: dict[str, Any]) -> dict[str, Any]:
    """The CRI runtime's part of a merged configuration; empty when there is none."""
    plugins = config.get("plugins", {})
    return next((dict(plugins[name]) for name in CRI_PLUGINS if name in plugins), {})


def registry_path(config: dict[str, Any]) -> str:
    """Where containerd looks for hosts.toml files."""
    plugins = config.get("plugins", {})
    for name in ("io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"):
        if found := plugins.get(name, {}).get("registry", {}).get("config_path"):
            return str(found)
    return ""


def engine(section: dict[str, Any]) -> dict[str, Any]:
    return dict(section.get("containerd", {}))


def runtime_option(section: dict[str, Any], runtime: str, option: str) -> Any:
    """An option of a runtime in a merged configuration, or None."""
    return engine(section).get("runtimes", {}).get(runtime, {}).get("options", {}).get(option)


def main_pid(node: Node) -> int:
    """The running containerd; an AssertionError when none runs."""
    answer = node.run("systemctl", "show", "containerd", "--property=MainPID", "--value")
    pid = int(answer.out.strip() or 0)
    assert pid > 0, "containerd is not running"
    return pid


def require_active(node: Node) -> None:
    """End the check as unknown where containerd does not run."""
    if not node.run("systemctl", "is-active", "--quiet", "containerd").ok:
        unknown("containerd is not running (containerd.service.active)")


def installed_package(node: Node) -> str:
    """Which of the two packages is installed; empty when neither is."""
    answer = node.kept("dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Package}|${Version}\n", *PACKAGES)
    rows = [line.split("|") for line in answer.lines]
    return next((row[1] for row in rows if len(row) == 3 and row[0].strip() in ("ii", "hi")), "")
