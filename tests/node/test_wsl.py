"""WSL2 itself: that it is one, what /etc/wsl.conf says, and the driver that Windows brings."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.node.support import gpu, wsl
from tests.node.support.checks import check, not_applicable
from tests.node.support.data import NodeData
from tests.node.support.node import Node
from wslgpu.settings import Settings

CONF = "/etc/wsl.conf"
REMOVE = "Remove it: apt-get purge the package. On WSL2 the driver comes from Windows, and only from there."
LINKER = "Put the line /usr/lib/wsl/lib into /etc/ld.so.conf.d/ld.wsl.conf, as WSL does at start, and run ldconfig."
DRIVER_PACKAGES = re.compile(
    r"(nvidia-driver(-.+)?|cuda-drivers(-.+)?|libcuda1|libnvidia-(compute|gl|cfg1|encode|decode|fbc1)-?.*"
    r"|libnvidia-ml1|nvidia-(kernel|dkms|utils|compute-utils)-?.*|xserver-xorg-video-nvidia.*)(:\S+)?"
)
"""Linux drivers of NVIDIA's and the distributions'; libnvidia-container* are the toolkit's own."""


@pytest.fixture(scope="module")
def signals(node: Node, settings: Settings) -> list[str]:
    """The signals of WSL2, for the checks that hold for nothing else."""
    found = wsl.signals(node)
    if len(found) < wsl.SIGNALS_NEEDED and not settings.wsl_required:
        not_applicable("not WSL2, which wsl_required: false admits")
    return found


@pytest.fixture(scope="module")
def gpu_node(node: Node, node_data: NodeData, signals: list[str]) -> None:
    """The node is to have a GPU."""
    if "gpu_nodes" not in node_data.groups:
        not_applicable("the host is in no group with a GPU")
    gpu.require(node)


@check("wsl.running.version", "Convert the distro: `wsl --set-version DISTRO 2` on Windows.")
def test_it_is_wsl2(signals: list[str]) -> None:
    """At least two independent signals say that this is WSL2."""
    assert len(signals) >= wsl.SIGNALS_NEEDED, f"this is no WSL2: its signs here are {signals or 'none'}"


@check("wsl.running.systemd", "Set `[boot] systemd=true` in /etc/wsl.conf, then `wsl --terminate` the distro.")
def test_systemd_runs(node: Node) -> None:
    """systemd is process 1."""
    found = node.read("/proc/1/comm").strip()
    assert found == "systemd", f"process 1 is {found}"


@check("wsl.running.kernel", "Update WSL: `wsl --update` on Windows.")
def test_kernel_is_new_enough(node: Node, settings: Settings) -> None:
    """The kernel is not older than CUDA on WSL asks for."""
    release = node.read("/proc/sys/kernel/osrelease").strip()
    assert wsl.numbers(release) >= wsl.numbers(settings.minimum_kernel), (
        f"the kernel is {release}, older than {settings.minimum_kernel}"
    )


@check("wsl.conf.keys")
def test_wsl_conf_holds_our_keys(node: Node, settings: Settings, signals: list[str]) -> None:
    """/etc/wsl.conf gives every key of the data its value, once."""
    if not settings.wsl_conf:
        not_applicable("the data names no key of wsl.conf")
    rows = wsl.parse_conf(node.read(CONF))
    wrong = []
    for section, keys in settings.wsl_conf.items():
        for key, value in keys.items():
            found = [row.value for row in rows if row.is_key(section, key)]
            if not found or any(not wsl.same_value(entry, value) for entry in found):
                wrong.append(f"[{section}] {key} is {' and '.join(found) or 'missing'}, not {value}")
    assert not wrong, f"{CONF}: " + "; ".join(wrong)


@check("wsl.conf.readable", "Save it as plain UTF-8 text with Linux line ends, owned by root.")
def test_wsl_conf_is_readable(node: Node, signals: list[str]) -> None:
    """/etc/wsl.conf is a plain file of root's that WSL reads as written: no byte order mark, no broken line."""
    assert node.mode_and_owner(CONF).endswith(" root:root regular file"), f"{CONF}: {node.mode_and_owner(CONF)}"
    text = node.read(CONF)
    assert not text.startswith("\ufeff"), f"{CONF} begins with a byte order mark"
    broken = [str(row.line) for row in wsl.parse_conf(text) if row.broken]
    assert not broken, f"{CONF}: nothing that WSL understands stands on line {', '.join(broken)}"


@check("wsl.conf.in_effect")
def test_wsl_conf_is_in_effect(node: Node, signals: list[str], notice: Any) -> None:
    """Says whether the running distro was started after the last change of /etc/wsl.conf."""
    changed = node.run("stat", "-c", "%Y", CONF)
    assert changed.ok, f"{CONF} is not there"
    if int(changed.out) > wsl.started_at(node) + wsl.CLOCK_TOLERANCE_S:
        notice(f"{CONF} was changed after the distro was started: `wsl --terminate` it on Windows to make it count")


@check("wsl.driver.package", REMOVE)
def test_no_linux_driver_is_installed(node: Node, signals: list[str]) -> None:
    """No package of a Linux NVIDIA driver is installed."""
    answer = node.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n")
    assert len(answer.lines) > 50, f"dpkg does not list its packages: {answer}"
    names = [line.split()[1] for line in answer.lines if line.startswith("installed ")]
    found = [name for name in names if DRIVER_PACKAGES.fullmatch(name)]
    assert not found, f"a Linux NVIDIA driver is installed: {', '.join(found)}"


@check("wsl.driver.shadow", REMOVE)
def test_no_other_libcuda(node: Node, signals: list[str]) -> None:
    """No libcuda lies in the distribution's own library directory, where it would shadow WSL's."""
    found = node.listing("/usr/lib/x86_64-linux-gnu", "libcuda.so*")
    assert not found, f"these shadow WSL's driver: {', '.join(found)}"


@check("wsl.driver.linker", LINKER)
def test_linker_finds_wsls_libcuda_first(node: Node, gpu_node: None) -> None:
    """The linker's cache gives libcuda.so.1 from /usr/lib/wsl before any other."""
    answer = node.run("ldconfig", "-p")
    found = [line.rsplit("=> ", 1)[-1] for line in answer.lines if line.split()[0] == "libcuda.so.1"]
    assert found, "the linker's cache has no libcuda.so.1"
    assert found[0].startswith("/usr/lib/wsl/"), f"the linker takes {found[0]}"


@check("wsl.driver.linker_configured", LINKER)
def test_linker_is_configured(node: Node, gpu_node: None) -> None:
    """/usr/lib/wsl/lib stands in the linker's configuration, so that the next ldconfig keeps it."""
    answer = node.shell("cat /etc/ld.so.conf.d/*.conf /etc/ld.so.conf")
    assert "/usr/lib/wsl/lib" in [line.strip() for line in answer.lines], "no file of ld.so.conf names /usr/lib/wsl/lib"


@check("wsl.gpu.device", "Check [wsl2] gpuSupport in .wslconfig and [gpu] enabled in wsl.conf; update the driver.")
def test_gpu_device(node: Node, node_data: NodeData, signals: list[str]) -> None:
    """/dev/dxg is there, and everybody may open it."""
    if "gpu_nodes" not in node_data.groups:
        not_applicable("the host is in no group with a GPU")
    device = node.run("stat", "-c", "%a %F", gpu.DEVICE)
    libraries = "are" if node.exists("/usr/lib/wsl/lib/libdxcore.so") else "are not either"
    assert device.ok, f"no GPU: {gpu.DEVICE} is not there; WSL's driver libraries {libraries}"
    assert device.out.strip() == "666 character special file", f"{gpu.DEVICE} is {device.out.strip()}"


@check("wsl.gpu.answers", "Update the Windows driver, then `wsl --shutdown`.")
def test_gpu_answers(node: Node, gpu_node: None) -> None:
    """nvidia-smi on the node lists at least one GPU."""
    answer = gpu.ask(node, "list")
    assert answer.ok, f"nvidia-smi -L {answer}"
    assert any(line.startswith("GPU ") for line in answer.lines), f"nvidia-smi lists no GPU: {answer}"
