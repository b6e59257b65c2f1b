"""From a bundle on the controller to a node without a network: over the connection that there is, and nothing else.

Files go to :data:`FOLDER` by sftp, each under its hash, streamed from the bundle; on this machine itself they are read
out of it. What an earlier, cut run has sent is not sent again. Nothing is used before its hash was compared there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paramiko import SFTPClient, SSHException
from pyinfra import host
from pyinfra.api import FileUploadCommand, StringCommand

from wslgpu.bundle.archive import Bundle
from wslgpu.bundle.in_force import InForce, of_lock
from wslgpu.bundle.index import Member
from wslgpu.errors import DataError, WslgpuError
from wslgpu.facts import bound
from wslgpu.facts.bundle import BundleNode
from wslgpu.lock.model import LockedPackage
from wslgpu.operations.script import script
from wslgpu.settings import exit_on_error

FOLDER = "/var/cache/wslgpu-bundle"
"""On the node; gone as soon as what was sent is in its place."""
INCOMING = f"{FOLDER}/incoming"
RESERVE_BYTES = 64 << 20
"""What stays free on the node beside what is sent."""
TRIES = 3
"""Of sending, before the node is asked what arrived."""
IMAGE_ROOM = 3
"""An image takes this many times its compressed size, as when it is pulled."""

Commands = Generator[StringCommand, None, None]
"""What operations are annotated with; commands that send files are none, and pyinfra takes both."""


class Send(FileUploadCommand):
    """Members of the bundle, sent over one channel by the connection's own user.

    What goes wrong here is told by the script that comes next, which looks at what arrived, and knows why.
    """

    def __init__(self, bundle: Bundle, members: Sequence[Member]) -> None:
        super().__init__(str(bundle.path), INCOMING, _sudo=False)
        self.bundle, self.members = bundle, list(members)

    def execute(self, state: Any, host: Any, connector_arguments: Any) -> bool:  # noqa: ARG002
        # not pyinfra's own put_file: its channel is for the whole run, and one that broke stays broken; and a file that
        # does not arrive ends the operation without a word of ours
        waiting = list(self.members)
        for _ in range(TRIES):
            with contextlib.suppress(OSError, EOFError, SSHException):
                client: Any = SFTPClient.from_transport(host.connector.client.get_transport())
                with client:
                    while waiting:
                        with self.bundle.open(waiting[0].path) as content:
                            client.putfo(content, f"{INCOMING}/{waiting[0].sha256}")
                        waiting.pop(0)
                break
        return True


def in_force() -> InForce | None:
    """The bundle of this run, with the lock that the host's data name; None where there is none.

    One that cannot be used ends the process with 2 and one line.
    """
    try:
        return of_lock(lambda: Path(path) if (path := host.data.get("lock_file")) else None)
    except WslgpuError as error:
        exit_on_error(DataError(error.what, error.where, error.next_step))
        raise


def packages(bundle: InForce, rows: Mapping[str, LockedPackage], *arguments: str | int | bool) -> Commands:
    """Install packages by apt_packages.sh with these arguments, from what is sent.

    :param rows: the packages that are to be installed or moved; without one, only holds and marks are to be set
    """
    if not rows:
        yield script("apt_packages", *arguments)
        return
    state = bound.read(BundleNode, folder=FOLDER)
    try:
        members = [bundle.package(state.distribution, name, row) for name, row in sorted(rows.items())]
    except WslgpuError as error:
        yield refusal(error)
        return
    yield from _sent(bundle.bundle, members, state.received, room=sum(member.size_bytes for member in members))
    yield script("bundle_packages", FOLDER, ",".join(member.sha256 for member in members), *arguments)


def image(bundle: InForce, repository: str, tag: str, digest: str, *, namespace: str, reserve_bytes: int) -> Commands:
    """Bring an image into containerd's store, without what that has already."""
    name = f"{repository}:{tag}"
    state = bound.read(BundleNode, folder=FOLDER, namespace=namespace)
    try:
        content = bundle.image(name, digest)
    except WslgpuError as error:
        yield refusal(error)
        return
    top = content[0][0]
    # the index and the manifest always go: containerd walks down from what is in the archive
    needed = [member for blob, member in content if blob.manifest or blob.digest not in state.content]
    size = sum(member.size_bytes for member in needed)
    yield from _sent(bundle.bundle, needed, state.received, room=size)
    media_type = top.media_type if "/" in top.media_type else "application/vnd.oci.image.index.v1+json"
    sums = [member.sha256 for member in needed]
    room = IMAGE_ROOM * size + reserve_bytes
    yield script("bundle_image", FOLDER, namespace, repository, tag, digest, media_type, top.size_bytes, room, *sums)


def file_of_run(url: str) -> Generator[StringCommand, None, tuple[str, ...]]:
    """Send what a script would fetch from an address otherwise.

    :return: where it is on the node then, its hash not compared yet; empty where it is to be fetched
    """
    source = in_force()
    if source is None:
        return ()
    try:
        member = source.download(url)
    except WslgpuError as error:
        yield refusal(error)
        return ()
    if member is None:
        return ()
    state = bound.read(BundleNode, folder=FOLDER)
    yield from _sent(source.bundle, [member], state.received, room=member.size_bytes)
    return (f"{INCOMING}/{member.sha256}",)


def refusal(error: WslgpuError) -> StringCommand:
    """Fail this host with what is wrong with the bundle."""
    return script("fail", error.error_class.value, f"{error.what} ({error.where})", error.next_step)


def _sent(bundle: Bundle, members: Sequence[Member], received: Mapping[str, int], *, room: int) -> Commands:
    missing = _missing(members, received)
    if not missing:
        return
    yield script("bundle_receive", FOLDER, room + RESERVE_BYTES)
    if host.name != "@local":
        yield Send(bundle, missing)  # type: ignore[misc]
        return
    for member in missing:
        place = bundle.places[member.path]
        path = str(bundle.path.resolve())
        yield script("bundle_slice", path, place.offset, place.size_bytes, FOLDER, member.sha256)


def _missing(members: Iterable[Member], received: Mapping[str, int]) -> list[Member]:
    return [member for member in members if received.get(member.sha256) != member.size_bytes]
