"""A node from a .wsl file, as `wsl --install --from-file` makes a distro of one.

The archive is unpacked as it is: owners by number, modes, capabilities. What is added is what WSL itself gives a
distro (host name, hosts, resolv.conf, network), the persona's shape, and the lab's key for root. The node makes its ssh
host keys and machine-id at its first boot, and the lab then learns the key from its files.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from wslgpu.debian_root import remove
from wslgpu.errors import ErrorClass
from wslgpu.host_files import write_atomically
from wslgpu.lab import host, shape
from wslgpu.lab.errors import LabError
from wslgpu.lab.node import Node
from wslgpu.lab.shell import run

HOST_KEY = "etc/ssh/ssh_host_ed25519_key.pub"
KEY_TIMEOUT_S = 20.0
UNPACK_TIMEOUT_S = 600.0
WRITTEN = (
    *("etc/apt/apt.conf.d/x", "etc/systemd/system/sysinit.target.wants/x", "etc/systemd/system/timers.target.wants/x"),
    *("etc/ld.so.conf.d/x", "etc/wsl.conf", "root/.ssh/x", "init", "usr/bin/wslinfo", "usr/bin/wslpath"),
    *("mnt/c/Users/lab/x", "mnt/c/Windows/System32/x", shape.HERE, f"{shape.HERE}/x", shape.MARKER),
)
"""What the lab writes into the image's tree, from outside: an absolute link on the way would lead into this machine."""
_KNOWN_HOSTS = threading.Lock()


def require(image: Path | None, *, kind: str, kubernetes: bool) -> None:
    """Refuse what does not go together.

    :raises LabError: no such file, or an image with another kind of root
    """
    if image is None:
        return
    what = ""
    if not image.is_file():
        what = f"there is no image {image}"
    elif kind != "node" or kubernetes:
        what = "an image brings its own root: neither --kind nor --kubernetes goes with it"
    if what:
        raise LabError(
            what=what, where="--image", next_step="make one: wslgpu image build", error_class=ErrorClass.USAGE
        )


def boot(node: Node, image: Path) -> None:
    """Unpack the image as this node, boot it, and learn its host key.

    :raises LabError: it is no whole archive, or not the file system of a Debian-like distro
    """
    node.directory.mkdir(parents=True)
    node.root.mkdir()
    options = ["--extract", "--preserve-permissions", "--numeric-owner", "--xattrs"]
    argv = ["tar", *options, "--xattrs-include=security.capability", f"--file={image}", f"--directory={node.root}"]
    run(argv, timeout_s=UNPACK_TIMEOUT_S)
    check_links(node.root)
    try:
        _give(node)
    except OSError as error:
        raise LabError(
            what=f"the image cannot become a node of the lab: {error.strerror}",
            where=str(error.filename),
            next_step=f"see what is in it: wslgpu image validate {image}",
        ) from error
    node.start()
    _learn_key(node)


def _give(node: Node) -> None:
    """What WSL, the persona, and the lab add; what somebody else's image has in its place goes."""
    etc = node.root / "etc"
    for path in (etc / "hostname", etc / "hosts", etc / "resolv.conf", node.root / "root/.ssh"):
        remove(path)
    (etc / "hostname").write_text(f"{node.name}\n")
    (etc / "hosts").write_text(node.hosts_text())
    (etc / "resolv.conf").write_text(host.resolv_conf())
    if proxy := host.apt_proxy():
        (etc / "apt/apt.conf.d/90wslgpu-lab-proxy").write_text(proxy)
    ssh = node.root / "root/.ssh"
    ssh.mkdir(mode=0o700)
    write_atomically(ssh / "authorized_keys", (node.lab.directory / "id_ed25519.pub").read_text(), 0o600)
    for timer in ("apt-daily", "apt-daily-upgrade"):  # they take dpkg's lock at any time
        (etc / f"systemd/system/timers.target.wants/{timer}.timer").unlink(missing_ok=True)
    shape.give(node.root, node.persona, lab=node.lab.name, address=f"{node.address}/24", gateway=node.lab.gateway)


def check_links(root: Path) -> None:
    """Refuse an image in whose place the lab would write into this machine's own files.

    :raises LabError: a folder leads out of the image, or what is written there is a link
    """
    top = root.resolve()
    for name in WRITTEN:
        path = root / name
        if path.is_symlink() or not path.parent.resolve().is_relative_to(top):
            raise LabError(
                what=f"/{name} is a link in the image, or behind one that leads out of it",
                where="--image",
                next_step="name an image whose /etc, /usr and /root are folders of its own",
                error_class=ErrorClass.SAFETY,
            )


def _learn_key(node: Node) -> None:
    """Put the key that the node made into the lab's known_hosts, in place of the one that the lab had made for it."""
    deadline = time.monotonic() + KEY_TIMEOUT_S
    place = node.root / HOST_KEY
    while not (text := _whole_line(place)):
        if time.monotonic() > deadline:
            raise LabError(
                what=f"the node has made no ssh host key within {KEY_TIMEOUT_S:g} s",
                where=str(node),
                next_step=f"wslgpu lab shell or the console {node.console_log} say more",
                error_class=ErrorClass.TIMEOUT,
            )
        time.sleep(0.1)
    kind, key = text.split()[:2]
    known = node.lab.directory / "known_hosts"
    with _KNOWN_HOSTS:  # the lab's nodes are booted side by side
        others = [line for line in known.read_text().splitlines() if line.split(" ")[0] != node.address]
        write_atomically(known, "\n".join([*others, f"{node.address} {kind} {key}"]) + "\n")


def _whole_line(path: Path) -> str:
    """The file's text, once its line is there to the end."""
    text = path.read_text() if path.exists() else ""
    return text if text.endswith("\n") else ""
