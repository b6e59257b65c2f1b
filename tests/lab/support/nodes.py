"""What tests do to nodes between two applies."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from wslgpu.lab import Lab, Node, root
from wslgpu.lab.shell import run

TOOLKIT = "nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1"
KEYRING = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
SOURCES = "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"
REFERENCE_NAMESPACE = "k8s.io"


def renew(node: Node) -> None:
    """The node as it was when the lab was made: cheaper than another lab, and of the same repository and registry."""
    node.kill()
    run(["umount", node.root / "usr"], check=False)  # a copy where the kernel has no overlay here
    shutil.rmtree(node.directory)
    spec = root.RootSpec(node.lab.base, node.lab.kind, node.control_plane)
    node.create(root.ensure(spec, lambda _: None))
    node.start()


def forget_toolkit(node: Node, *, packages_only: bool = False) -> None:
    """Take NVIDIA's packages out again, and apt's memory of their repository, so that they are to be installed."""
    node.nsenter(
        f"apt-mark unhold {TOOLKIT} >/dev/null 2>&1; dpkg --purge --force-depends {TOOLKIT} >/dev/null 2>&1;"
        " rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/* /var/lib/wslgpu/apt-holds"
    )
    if not packages_only:
        node.nsenter(
            f"rm -f {KEYRING} {SOURCES} /var/lib/apt/lists/*libnvidia-container* /var/lib/wslgpu/apt-lists"
            " /etc/apt/preferences.d/wslgpu-container-toolkit"
        )


def toolkit_packages(node: Node) -> str:
    """Which of NVIDIA's packages the node has, and in what state; empty for none."""
    form = "-f '${db:Status-Status} ${Package}\\n'"
    return node.nsenter(f"dpkg-query -W {form} {TOOLKIT} 2>/dev/null", check=False).stdout


def forget_images(node: Node) -> None:
    """No image and no content of one is left."""
    ctr = f"ctr -n {REFERENCE_NAMESPACE}"
    node.nsenter(
        f"{ctr} images ls -q | xargs -r {ctr} images rm --sync >/dev/null;"
        f" {ctr} content ls -q | xargs -r {ctr} content rm >/dev/null;"
        f" {ctr} content active -q | xargs -r {ctr} content rm >/dev/null 2>&1 || true"
    )


def images(node: Node) -> list[str]:
    return node.nsenter(f"ctr -n {REFERENCE_NAMESPACE} images ls -q").stdout.split()


@contextlib.contextmanager
def program(node: Node, name: str, text: str) -> Iterator[None]:
    """A program of this name that is found before the real one, by our scripts and everybody else."""
    path = f"/usr/local/sbin/{name}"
    node.put(path, text, 0o755)
    try:
        yield
    finally:
        node.nsenter(f"rm -f {path}")


@contextlib.contextmanager
def repository_kept(lab: Lab, copy: Path) -> Iterator[None]:
    """Whatever is done to the lab's package repository, it is as before at the end."""
    shutil.copytree(lab.repository.www, copy)
    try:
        yield
    finally:
        shutil.rmtree(lab.repository.www)
        shutil.copytree(copy, lab.repository.www)
        lab.repository.repair()


def wait_until(node: Node, test: str, timeout_s: float = 30) -> None:
    """Wait until a shell command succeeds in the node."""
    deadline = time.monotonic() + timeout_s
    while not node.nsenter(test, check=False).ok:
        assert time.monotonic() < deadline, f"{test} did not become true"
        time.sleep(0.02)


@contextlib.contextmanager
def lock_held(node: Node, seconds: int = 600) -> Iterator[str]:
    """A program holds dpkg's lock, as dpkg itself would: with fcntl, which flock(1) does not use. Gives its pid."""
    code = (
        "import fcntl, time; file = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(file, fcntl.LOCK_EX);"
        f" open('/run/lock-is-held', 'w').close(); time.sleep({seconds})"
    )
    node.nsenter(["systemd-run", "--quiet", "--unit=lock-holder", "python3", "-c", code])
    try:
        wait_until(node, "test -e /run/lock-is-held")
        yield node.nsenter("systemctl show lock-holder --property=MainPID --value").stdout.strip()
    finally:
        node.nsenter("systemctl stop lock-holder; rm -f /run/lock-is-held", check=False)


@contextlib.contextmanager
def cut_off(node: Node, rule: str) -> Iterator[None]:
    """An nftables rule on both ways of the node's network; set from outside, with the host's nft."""
    hooks = "".join(f"chain {hook} {{ type filter hook {hook} priority 0; {rule}; }}\n" for hook in ("input", "output"))
    nft = ["nsenter", f"--target={node.leader()}", "--net", "nft"]
    run([*nft, "-f", "-"], stdin=f"table inet wslgpu_test {{\n{hooks}}}\n".encode())
    try:
        yield
    finally:
        run([*nft, "delete", "table", "inet", "wslgpu_test"])


@contextlib.contextmanager
def file_replaced(node: Node, path: str, content: str | bytes) -> Iterator[None]:
    """A file of the node with other content; the old file comes back at the end."""
    node.nsenter(f"cp -a {path} {path}.kept")
    node.put(path, content)
    try:
        yield
    finally:
        node.nsenter(f"mv -f {path}.kept {path}")
