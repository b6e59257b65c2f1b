"""What nothing pins any more goes from a node: told with its bytes, and then deleted."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.clutter import Clutter
from wslgpu.manifest.load import manifest_text
from wslgpu.manifest.model import BEFORE, MANIFEST
from wslgpu.operations import notes
from wslgpu.operations.removal import known, read, refuse
from wslgpu.operations.script import as_stdin, script, sha256_of
from wslgpu.removal.plan import Refusal
from wslgpu.removal.unneeded import note, unneeded, without_images
from wslgpu.settings import Settings

AT_ONCE = 200


@operation()
def node(settings: Settings, *, dry: bool) -> Generator[StringCommand, None, None]:
    """Delete it, or only say what it is.

    :param dry: this is a dry run, in which what would go is told
    """
    manifest = known(read(settings), settings)
    if isinstance(manifest, Refusal):
        yield refuse([manifest])
        return
    if manifest is None:
        host.noop("nothing of wslgpu's is here")
        return
    named = {image.name for image in settings.cuda_images}
    named |= {f"{image.repository}@{image.digest}" for image in settings.cuda_images}
    found = bound.read(Clutter, namespace=settings.cuda_images_namespace)
    items = unneeded(found, manifest, named)
    if not items:
        host.noop("nothing is here that nothing needs")
        return
    for item in items:
        if dry:
            notes.tell_planned(note(item))
        else:
            notes.tell(note(item))
    images = [item for item in items if item.kind == "image"]
    if images:
        words = [(settings.cuda_images_namespace, item.name, item.digest) for item in images]
        yield script("removal_images", *(word for one in words for word in one))
        text = manifest_text(without_images(manifest, {item.name for item in images}))
        yield script("put_file", MANIFEST, "600", "root:root", sha256_of(text), stdin=as_stdin(text))
    paths = [f"{BEFORE}/{item.name}" if item.kind == "copy" else item.name for item in items if item.kind != "image"]
    for start in range(0, len(paths), AT_ONCE):
        yield script("clean_node", *paths[start : start + AT_ONCE])
