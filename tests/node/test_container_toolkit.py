"""The NVIDIA Container Toolkit as installed: repository, key, packages, holds, configuration, services."""

from __future__ import annotations

from typing import Any

import pytest
import tomlkit

from tests.node.support import apt, containerd, cri
from tests.node.support.checks import APPLY, check, not_applicable, unknown
from tests.node.support.node import Node
from tests.node.support.packages import changed_files, diversions, installed_version, is_held
from wslgpu.pins import CdiSpecOwner
from wslgpu.settings import Settings

PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
SOURCES = "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"
KEYRING = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
CONFIG = "/etc/nvidia-container-runtime/config.toml"
RUNTIME = "/usr/bin/nvidia-container-runtime"


@pytest.fixture(scope="module")
def running(node: Node) -> cri.CriStatus:
    containerd.require_active(node)
    return cri.status(node)


@pytest.fixture
def toolkit(node: Node) -> None:
    """The toolkit is there at all: without it, its absence is one red line and not ten."""
    if not installed_version(node, "nvidia-container-toolkit"):
        unknown("the toolkit is not installed (container_toolkit.packages.version)")


@check("container_toolkit.repository.source")
def test_source_names_its_key(node: Node, settings: Settings) -> None:
    """apt takes NVIDIA's packages from the repository of the data, and trusts one keyring for it."""
    found = apt.deb822(node.read(SOURCES))
    assert len(found) == 1, f"{SOURCES} holds {len(found)} sources, not one"
    source = found[0]
    assert source.get("uris", "").rstrip("/") == settings.container_toolkit_repository_uri, (
        f"{SOURCES} names {source.get('uris')}, not {settings.container_toolkit_repository_uri}"
    )
    assert source.get("signed-by") == KEYRING, f"Signed-By is {source.get('signed-by')}, not {KEYRING}"
    assert source.get("trusted", "no").lower() != "yes", "Trusted: yes switches the signature's check off"
    assert source.get("enabled", "yes").lower() != "no", f"{SOURCES} is disabled"


@check("container_toolkit.repository.single", "Remove the entry that is not wslgpu's, then apply again.")
def test_repository_is_named_once(node: Node, settings: Settings) -> None:
    """No second entry names the repository, with another key or none."""
    others = [path for path in apt.files_naming(node, settings.container_toolkit_repository_uri) if path != SOURCES]
    assert not others, f"{settings.container_toolkit_repository_uri} also stands in {', '.join(others)}"


@check("container_toolkit.keyring.fingerprint")
def test_keyring_holds_the_key(node: Node, settings: Settings) -> None:
    """The keyring holds the key of the data's fingerprint, and no other."""
    found = apt.fingerprints(node, KEYRING)
    wanted = settings.container_toolkit_key_fingerprint
    assert found == [wanted], f"{KEYRING} holds {', '.join(found) or 'no key'}, not {wanted}"


@check("container_toolkit.keyring.permissions")
def test_keyring_is_roots(node: Node) -> None:
    """Only root may change the keyring, and everybody may read it: apt fetches as another user."""
    assert node.mode_and_owner(KEYRING) == "644 root:root regular file", f"{KEYRING}: {node.mode_and_owner(KEYRING)}"


@check("container_toolkit.packages.version")
def test_packages_have_the_version(node: Node, settings: Settings) -> None:
    """The four packages are installed at the one version of the data."""
    found = {package: installed_version(node, package) for package in PACKAGES}
    wrong = [
        f"{package} {version or 'missing'}"
        for package, version in found.items()
        if version != settings.container_toolkit_version
    ]
    assert not wrong, f"not at {settings.container_toolkit_version}: {', '.join(wrong)}"


@check("container_toolkit.packages.held")
def test_packages_are_held(node: Node, toolkit: None) -> None:
    """The four packages are held, so that no upgrade moves one of them."""
    free = [package for package in PACKAGES if not is_held(node, package)]
    assert not free, f"not held: {', '.join(free)}"


@check("container_toolkit.packages.pinned")
def test_packages_are_pinned(node: Node, settings: Settings, toolkit: None) -> None:
    """apt itself would choose the version of the data, and prefers it by a priority above 1000."""
    for package in PACKAGES:
        policy = apt.policy(node, package)
        version = settings.container_toolkit_version
        assert policy.candidate == version, f"apt would install {package} {policy.candidate or 'of no version'}"
        priority = policy.priorities.get(version, 0)
        assert priority > 1000, f"{package} {version} has priority {priority}: another version can displace it"


@check("container_toolkit.packages.intact", "Put it back: apt-get install --reinstall the package.")
def test_package_files_are_intact(node: Node, toolkit: None) -> None:
    """What runs as the toolkit is what was packaged: nothing changed, nothing put aside by dpkg-divert."""
    wrong = []
    for package in PACKAGES:
        wrong += [path for path in changed_files(node, package) if not path.startswith("/etc/")]
        wrong += diversions(node, package)
    assert not wrong, f"changed since they were installed: {', '.join(wrong)}"


@check("container_toolkit.config.mode")
def test_runtime_mode(node: Node, settings: Settings, toolkit: None) -> None:
    """The NVIDIA runtime works in the mode that the data gives."""
    config = tomlkit.parse(node.read(CONFIG)).unwrap()
    found = config.get("nvidia-container-runtime", {}).get("mode", "auto")
    wanted = settings.container_toolkit_runtime_mode
    assert found == wanted, f"{CONFIG} says mode {found!r}, not {wanted!r}"


@check("container_toolkit.containerd.files")
def test_runtime_is_in_containerds_files(node: Node, toolkit: None) -> None:
    """containerd's files, its drop-ins merged, know the NVIDIA runtime."""
    if not node.kept("containerd", "config", "dump").ok:
        unknown("containerd refuses its files (containerd.config.accepted)")
    section = containerd.cri_section(containerd.merged_config(node))
    found = containerd.runtime_option(section, "nvidia", "BinaryName")
    assert found == RUNTIME, f"containerd's files give the runtime nvidia the program {found}, not {RUNTIME}"


@check("container_toolkit.containerd.runtime")
def test_running_containerd_has_the_runtime(running: cri.CriStatus, toolkit: None) -> None:
    """The running containerd knows the NVIDIA runtime, by its program and type."""
    runtime = running.runtime("nvidia")
    assert runtime is not None, "the running containerd has no runtime nvidia"
    assert running.runtime_option("nvidia", "BinaryName") == RUNTIME, (
        f"the runtime nvidia is {running.runtime_option('nvidia', 'BinaryName')}, not {RUNTIME}"
    )
    assert runtime.get("runtimeType") == "io.containerd.runc.v2", f"its type is {runtime.get('runtimeType')!r}"


@check("container_toolkit.containerd.cgroup")
def test_runtimes_agree_on_the_cgroup_driver(running: cri.CriStatus) -> None:
    """The NVIDIA runtime uses the same cgroup driver as runc: pods of both land in one tree."""
    if running.runtime("nvidia") is None:
        unknown("the running containerd has no runtime nvidia (container_toolkit.containerd.runtime)")
    drivers = [bool(running.runtime_option(name, "SystemdCgroup")) for name in ("runc", "nvidia")]
    assert drivers[0] == drivers[1], f"SystemdCgroup is {drivers[0]} for runc and {drivers[1]} for nvidia"


@check("container_toolkit.containerd.default")
def test_default_runtime(settings: Settings, running: cri.CriStatus, toolkit: None) -> None:
    """Containers that name no runtime get the one that the data asks for."""
    wanted = "nvidia" if settings.container_toolkit_default_runtime else "runc"
    assert running.default_runtime == wanted, f"the default runtime is {running.default_runtime}, not {wanted}"


@check("container_toolkit.containerd.cdi")
def test_cdi_is_enabled(running: cri.CriStatus, toolkit: None) -> None:
    """The running containerd resolves CDI devices, from both directories."""
    if "enableCDI" not in running.config and "cdiSpecDirs" not in running.config:
        not_applicable("this containerd has no CDI: it came with 1.7")
    # containerd 2.2 dropped the switch: CDI is always on there
    assert running.config.get("enableCDI", True), "CDI is switched off in the running containerd"
    missing = {"/etc/cdi", "/var/run/cdi"} - set(running.config.get("cdiSpecDirs") or [])
    assert not missing, f"containerd does not look for CDI specs in {', '.join(sorted(missing))}"


@check("container_toolkit.refresh.enabled", APPLY)
def test_refresh_unit_is_enabled(node: Node, settings: Settings, toolkit: None) -> None:
    """NVIDIA's unit that makes the CDI spec anew is on, where it owns the spec."""
    if settings.toolkit.cdi_spec_owner is not CdiSpecOwner.REFRESH_UNIT:
        not_applicable(f"toolkit {settings.container_toolkit_version} leaves the spec to wslgpu")
    states: dict[str, Any] = {
        unit: node.run("systemctl", "is-enabled", unit).out.strip()
        for unit in ("nvidia-cdi-refresh.path", "nvidia-cdi-refresh.service")
    }
    wrong = [f"{unit} is {state or 'missing'}" for unit, state in states.items() if state != "enabled"]
    assert not wrong, "; ".join(wrong)
    failed = node.run("systemctl", "is-failed", "--quiet", "nvidia-cdi-refresh.service").ok
    assert not failed, "nvidia-cdi-refresh.service has failed"
    active = node.run("systemctl", "is-active", "nvidia-cdi-refresh.path").out.strip()
    assert active == "active", f"nvidia-cdi-refresh.path is {active}"
