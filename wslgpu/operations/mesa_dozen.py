"""Dozen offered to all of a node, or to those alone who source its env.sh."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Generator
from pathlib import Path

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu import dozen_offer
from wslgpu.artifact_choice import ARTIFACTS, Choice
from wslgpu.build.record import ArtifactRecord
from wslgpu.errors import WslgpuError
from wslgpu.facts import bound
from wslgpu.facts.artifact import Artifacts
from wslgpu.operations import base_state
from wslgpu.operations.script import script


def own_manifest(archive: Path) -> str:
    """The driver's manifest in an archive of Dozen's.

    :raises ValueError: there is none
    """
    with tarfile.open(archive, mode="r:", encoding="utf-8") as tar:
        try:
            member = tar.extractfile(dozen_offer.OWN_MANIFEST)
        except KeyError:
            member = None
        if member is None:
            raise ValueError(f"{archive} has no {dozen_offer.OWN_MANIFEST}")
        return member.read().decode(errors="replace")


@operation()
def offered(
    choice: Choice, archive_of: Callable[[ArtifactRecord], Path], *, system: bool, adapter: str
) -> Generator[StringCommand, None, None]:
    """Let Vulkan's loader list Dozen for everybody, beside its other drivers; or take both files away.

    Where the store has no Dozen, what stands there stays as long as one is installed.

    :param system: False: the loader's manifest is not written, and the adapter's name only where it is not env.sh's own
    """
    contents = dict.fromkeys(dozen_offer.FILES, "")
    if system and choice.install != "absent":
        if choice.record is None:
            if bound.read(Artifacts, names=ARTIFACTS).of(choice.artifact).current is not None:
                host.noop("what is offered stays as it is")
                return
        else:
            try:
                manifest = own_manifest(archive_of(choice.record))
                contents[dozen_offer.MANIFEST] = dozen_offer.manifest_text(manifest)
            except WslgpuError as error:
                yield script("fail", error.error_class.value, f"{error.what} ({error.where})", error.next_step)
                return
            except ValueError as error:
                yield script("fail", "integrity", str(error), "Build it again: wslgpu build " + choice.build)
                return
    if choice.install != "absent" and (system or adapter != dozen_offer.OWN_ADAPTER):
        options = choice.record.options if choice.record else {}
        graphics = system and any(options.get(name) is True for name in ("opengl", "video"))
        contents[dozen_offer.PROFILE] = dozen_offer.profile_text(adapter, graphics=graphics)
    for path, content in contents.items():
        yield from base_state.text_file._inner(path=path, content=content, watched=dozen_offer.FILES)
