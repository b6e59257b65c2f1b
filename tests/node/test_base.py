"""What every node has: packages, apt's choices, the data directory, the way out of the network."""

from __future__ import annotations

import time
from typing import Any

from tests.node.support.checks import APPLY, check, not_applicable
from tests.node.support.node import Node
from tests.node.support.packages import installed_version
from wslgpu.settings import Settings

PROXY_SECRET = "/etc/wslgpu/proxy.env"
WINDOWS_FILE_SYSTEMS = ("9p", "v9fs", "drvfs", "virtiofs", "fuseblk", "cifs")
OUR_UNITS = ("containerd", "nvidia-cdi-refresh", "wslgpu")


@check("base.packages.installed")
def test_packages_are_installed(node: Node, settings: Settings) -> None:
    """Every package that the data asks for is installed."""
    if not settings.base_packages:
        not_applicable("the data asks for no package")
    missing = [package for package in settings.base_packages if not installed_version(node, package)]
    assert not missing, f"not installed: {', '.join(missing)}"


@check("base.packages.consistent", "Run `dpkg --configure -a`, or apply again.")
def test_dpkg_is_consistent(node: Node) -> None:
    """No package is half installed, and dpkg has no unfinished business."""
    answer = node.run("dpkg", "--audit", timeout_s=60)
    assert not answer.lines, f"dpkg --audit: {answer}"
    left = node.listing("/var/lib/dpkg/updates")
    assert not left, f"dpkg was interrupted: {', '.join(left)}"


@check("base.apt.proxy")
def test_apt_uses_the_proxy(node: Node, settings: Settings) -> None:
    """apt goes through the data's proxy."""
    if not settings.proxy_url:
        not_applicable("the data names no proxy")
    answer = node.run("apt-config", "dump", "--no-empty", "--format", "%f=%v%n", "Acquire")
    assert answer.said, f"apt-config does not answer: {answer}"
    values = dict(line.split("=", 1) for line in answer.lines if "=" in line)
    wrong = []
    for key in ("Acquire::http::Proxy", "Acquire::https::Proxy"):
        found = _without_credentials(values.get(key, "")).rstrip("/")
        if found != settings.proxy_url:
            wrong.append(f"{key} is {found or 'unset'}, not {settings.proxy_url}")
    assert not wrong, "; ".join(wrong)


@check("base.proxy.secret")
def test_proxy_secret_is_private(node: Node, settings: Settings) -> None:
    """The file with the proxy's credentials is root's alone."""
    if not node.exists(PROXY_SECRET):
        assert not settings.proxy_credentials_file, f"{PROXY_SECRET} is not there"
        not_applicable("the data names no credentials")
    found = node.mode_and_owner(PROXY_SECRET)
    assert found == "600 root:root regular file", f"{PROXY_SECRET} is {found}: others may read it"


@check("base.ca.trusted")
def test_ca_is_trusted(node: Node, settings: Settings) -> None:
    """The certificates of the data's CA file are in the node's trust store."""
    if not settings.ca_file:
        not_applicable("the data names no CA file")
    with open(settings.ca_file, encoding="utf-8") as stream:  # noqa: PTH123 - a path of the controller, as given
        wanted = _certificates(stream.read())
    present = _certificates(node.read("/etc/ssl/certs/ca-certificates.crt"))
    assert wanted, f"{settings.ca_file} holds no certificate"
    assert wanted <= present, f"{len(wanted - present)} of {len(wanted)} certificates are not trusted"


@check("base.data.directory")
def test_data_directory(node: Node, settings: Settings) -> None:
    """The data directory is root's, and nobody else may write in it."""
    assert node.exists(settings.data_dir), f"{settings.data_dir} is not there"
    mode, owner, kind = node.mode_and_owner(settings.data_dir).split(" ", 2)
    assert kind == "directory", f"{settings.data_dir} is a {kind}"
    assert owner == "root:root", f"{settings.data_dir} belongs to {owner}"
    assert not int(mode, 8) & 0o022, f"{settings.data_dir} has mode {mode}: others may write in it"


@check("base.data.file_system", "Set data_dir to a place on the Linux file system, not under /mnt/c.")
def test_data_directory_is_on_linux(node: Node, settings: Settings) -> None:
    """The data directory lies on a Linux file system: on Windows' drives it would be slow and lose permissions."""
    answer = node.run("findmnt", "-n", "-o", "FSTYPE", "--target", settings.data_dir)
    assert answer.ok, f"{settings.data_dir} is not there"
    found = answer.out.strip()
    assert found not in WINDOWS_FILE_SYSTEMS, f"{settings.data_dir} is on {found}"


@check("base.units.failed", "Read `journalctl -u UNIT`, mend it, `systemctl reset-failed`.")
def test_no_unit_of_ours_failed(node: Node, notice: Any) -> None:
    """No service that wslgpu set up has failed; other failed units are worth a note."""
    answer = node.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager")
    assert answer.ok, f"systemd does not answer: {answer}"
    failed = [line.split()[0] for line in answer.lines]
    ours = [unit for unit in failed if unit.startswith(OUR_UNITS)]
    others = [unit for unit in failed if unit not in ours]
    if others:
        notice(f"failed units that are not wslgpu's: {', '.join(others)}")
    assert not ours, f"failed: {', '.join(ours)}"


@check("base.clock.sane", f"Run `hwclock -s`, or `wsl --shutdown`. {APPLY}")
def test_clock_agrees(node: Node, settings: Settings) -> None:
    """The node's clock agrees with this machine's: after a laptop slept, apt and TLS fail on a late one."""
    before = time.time()
    answer = node.run("date", "+%s")
    after = time.time()
    found = int(answer.out)
    skew = max(before - found - 1, found - after, 0)
    assert skew <= settings.clock_skew_limit_s, f"the clock is {skew:.0f} s off"


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rsplit('@', 1)[-1]}" if separator else url


def _certificates(text: str) -> set[str]:
    """The certificates of a PEM file, their base64 without line breaks."""
    parts = text.split("-----BEGIN CERTIFICATE-----")[1:]
    return {"".join(part.split("-----END CERTIFICATE-----")[0].split()) for part in parts}
