"""containerd: the package, the service, and what the running process runs with."""

from __future__ import annotations

from typing import Any

import pytest
import tomlkit

from tests.node.support import containerd, cri
from tests.node.support.checks import APPLY, check, not_applicable, unknown
from tests.node.support.node import Node
from tests.node.support.packages import changed_files, installed_version, is_held
from wslgpu.settings import Settings

RESTART = "Restart containerd (`systemctl restart containerd`; running containers survive), or apply again."


@pytest.fixture(autouse=True)
def installed(node: Node, request: pytest.FixtureRequest) -> None:
    """One cause, one red line: without the package nothing else is worth asking."""
    if "first" not in request.keywords and not containerd.installed_package(node):
        unknown("containerd is not installed (containerd.package.installed)")


@pytest.fixture(scope="module")
def package(node: Node) -> str:
    return containerd.installed_package(node)


@pytest.fixture(scope="module")
def active(node: Node) -> None:
    containerd.require_active(node)


@pytest.fixture(scope="module")
def running(node: Node, active: None) -> cri.CriStatus:
    return cri.status(node)


@pytest.fixture(scope="module")
def merged(node: Node) -> dict[str, Any]:
    if not node.kept("containerd", "config", "dump").ok:
        unknown("containerd refuses its files (containerd.config.accepted)")
    return containerd.merged_config(node)


@pytest.mark.first
@check("containerd.package.installed")
def test_package_is_installed(node: Node, settings: Settings) -> None:
    """containerd is installed, from the package that the data names."""
    found = containerd.installed_package(node)
    assert found, "neither containerd nor containerd.io is installed"
    if settings.containerd_package != "auto":
        assert found == settings.containerd_package, f"{found} is installed, not {settings.containerd_package}"


@check("containerd.package.version")
def test_package_has_the_version(node: Node, settings: Settings, package: str) -> None:
    """The package is of the version that the data pins, and held there."""
    if not settings.containerd_version:
        not_applicable("the data pins no containerd version")
    found = installed_version(node, package)
    assert found == settings.containerd_version, f"{package} is {found}, not {settings.containerd_version}"
    assert is_held(node, package), f"{package} is not held: the next upgrade moves it"


@check("containerd.package.intact", "Reinstall it: apt-get install --reinstall containerd (or containerd.io).")
def test_package_files_are_intact(node: Node, package: str) -> None:
    """The package's programs are as they were packaged."""
    changed = [path for path in changed_files(node, package) if not path.startswith("/etc/")]
    assert not changed, f"changed since they were installed: {', '.join(changed)}"


@check("containerd.service.enabled")
def test_service_is_enabled(node: Node) -> None:
    """containerd starts with the node."""
    answer = node.run("systemctl", "is-enabled", "containerd")
    assert answer.out.strip() == "enabled", f"containerd is {answer.out.strip() or answer.err.strip()}"


@check("containerd.service.active")
def test_service_is_active(node: Node) -> None:
    """containerd runs."""
    answer = node.run("systemctl", "is-active", "containerd")
    assert answer.out.strip() == "active", f"containerd is {answer.out.strip()}"


@check("containerd.running.binary", RESTART)
def test_running_binary_is_the_installed_one(node: Node, active: None) -> None:
    """The running process was started from the file that is installed now."""
    pid = containerd.main_pid(node)
    link = node.run("readlink", f"/proc/{pid}/exe").out.strip()
    assert link == "/usr/bin/containerd", f"containerd runs from {link}"
    same = node.run("cmp", "--silent", f"/proc/{pid}/exe", "/usr/bin/containerd")
    assert same.ok, "the running containerd is another program than the installed one"


@check("containerd.running.cri")
def test_cri_is_ready(running: cri.CriStatus) -> None:
    """The running containerd serves CRI, and says that its runtime is ready."""
    assert running.ready, "CRI answers that its runtime is not ready"


@check("containerd.running.plugins", "Read `journalctl -u containerd`, then apply again.")
def test_needed_plugins_run(node: Node, active: None) -> None:
    """The plugins that containers need are loaded without an error."""
    answer = node.run("ctr", "plugins", "ls")
    assert answer.ok, f"ctr cannot ask containerd: {answer}"
    rows = [line.split() for line in answer.lines[1:]]
    states = {row[1]: row[-1] for row in rows if len(row) >= 3}
    for name in ("cri", "overlayfs", "content", "images"):
        assert name in states, f"containerd has no plugin {name}"
    broken = [name for name, state in states.items() if name in ("cri", "overlayfs") and state == "error"]
    assert not broken, f"containerd's plugins are in error: {', '.join(broken)}"


@check("containerd.config.accepted")
def test_config_is_accepted(node: Node) -> None:
    """containerd accepts its files as they are now: the next restart will not fail on them."""
    answer = node.kept("containerd", "config", "dump")
    assert answer.ok, f"containerd refuses its configuration: {answer}"


@check("containerd.config.imports")
def test_config_imports_drop_ins(node: Node) -> None:
    """config.toml imports the drop-ins in /etc/containerd/conf.d."""
    imports = tomlkit.parse(node.read(containerd.CONFIG)).unwrap().get("imports", [])
    assert f"{containerd.DROP_INS}/*.toml" in imports, f"{containerd.CONFIG} imports {imports or 'nothing'}"


@check("containerd.config.schema")
def test_config_schema_fits(node: Node) -> None:
    """config.toml is written in a schema version that this containerd reads, and states it."""
    config = tomlkit.parse(node.read(containerd.CONFIG)).unwrap()
    version = config.get("version", 1)
    answer = node.kept("containerd", "config", "default")
    assert answer.ok, f"containerd says no default configuration: {answer}"
    newest = tomlkit.parse(answer.out).unwrap().get("version", 1)
    assert 2 <= version <= newest, f"config.toml is of schema {version}; this containerd reads 2 to {newest}"


@check("containerd.running.config", RESTART)
def test_running_config_is_the_files(merged: dict[str, Any], running: cri.CriStatus) -> None:
    """The running containerd runs with what its files say, not with what they once said."""
    section = containerd.cri_section(merged)
    files = containerd.engine(section)
    wrong = []
    if running.default_runtime != files.get("default_runtime_name"):
        wrong.append(f"default runtime {running.default_runtime}, files {files.get('default_runtime_name')}")
    names = set(files.get("runtimes", {}))
    if set(running.engine.get("runtimes") or {}) != names:
        wrong.append(f"runtimes {sorted(running.engine.get('runtimes') or {})}, files {sorted(names)}")
    for name in sorted(names):
        for option in ("BinaryName", "SystemdCgroup"):
            now = running.runtime_option(name, option)
            then = containerd.runtime_option(section, name, option)
            if (now or None) != (then or None):
                wrong.append(f"{name}.{option} {now!r}, files {then!r}")
    if "enable_cdi" in section and running.config.get("enableCDI") != section["enable_cdi"]:
        wrong.append(f"CDI {running.config.get('enableCDI')}, files {section['enable_cdi']}")
    assert not wrong, "containerd runs with other values than its files: " + "; ".join(wrong)


@check("containerd.running.since", RESTART)
def test_running_since_its_files(node: Node, active: None) -> None:
    """containerd was started after the last change of its files."""
    pid = containerd.main_pid(node)
    started = _started_at(node, pid)
    answer = node.run(
        "find", "/etc/containerd", "-maxdepth", "2", "-name", "*.toml", "-not", "-path", f"{containerd.CERTS}/*",
        "-printf", "%T@ %p\n",
    )  # fmt: skip
    assert answer.said, f"{containerd.CONFIG} is not there"
    newer = [line.split(" ", 1)[1] for line in answer.lines if float(line.split(" ", 1)[0]) > started + 1]
    assert not newer, f"changed since containerd was started: {', '.join(newer)}"


@check("containerd.running.systemd_cgroup")
def test_cgroup_driver(node: Node, settings: Settings, running: cri.CriStatus) -> None:
    """runc in the running containerd uses systemd's cgroup driver, or not, as the data and the node ask."""
    wanted = settings.containerd_systemd_cgroup
    if wanted == "auto":
        wanted = node.run("stat", "-f", "-c", "%T", "/sys/fs/cgroup").out.strip() == "cgroup2fs"
    found = running.runtime_option("runc", "SystemdCgroup")
    assert bool(found) is wanted, f"SystemdCgroup is {found}, not {wanted}"


@check("containerd.registry.path")
def test_registry_path(merged: dict[str, Any]) -> None:
    """Registries are configured by hosts.toml files under /etc/containerd/certs.d."""
    found = containerd.registry_path(merged)
    assert containerd.CERTS in found.split(":"), f"containerd looks for hosts.toml in {found or 'no directory'}"


@check("containerd.registry.mirrors", APPLY)
def test_mirrors(node: Node, settings: Settings) -> None:
    """Each mirror of the data is configured with just the capabilities that the data gives it."""
    if not settings.containerd_mirrors:
        not_applicable("the data names no mirror")
    for registry in {mirror.registry for mirror in settings.containerd_mirrors}:
        path = f"{containerd.CERTS}/{registry}/hosts.toml"
        hosts = tomlkit.parse(node.read(path)).unwrap().get("host", {})
        wanted = {m.url: sorted(m.capabilities) for m in settings.containerd_mirrors if m.registry == registry}
        found = {url.rstrip("/"): sorted(table.get("capabilities", [])) for url, table in hosts.items()}
        assert found == wanted, f"{path} gives {found}, not {wanted}"
        insecure = [url for url, table in hosts.items() if table.get("skip_verify")]
        assert not insecure, f"{path} does not check certificates of {', '.join(insecure)}"


def _started_at(node: Node, pid: int) -> float:
    """When a process started, in seconds since the epoch (proc(5): field 22 of stat, clock ticks since boot)."""
    answer = node.shell('cat "/proc/$1/stat"; getconf CLK_TCK; grep "^btime" /proc/stat', str(pid))
    assert answer.ok, f"process {pid} is gone"
    stat, ticks, boot = answer.lines
    return int(boot.split()[1]) + int(stat.rsplit(")", 1)[1].split()[19]) / int(ticks)
