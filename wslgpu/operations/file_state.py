"""Files that appear whole or not at all.

pyinfra's files.put writes in place: a run killed in the middle leaves half a file. Here the content goes to a
temporary name in the same directory, is hashed, synced and renamed.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.file_state import FileState, FileStates
from wslgpu.operations.script import as_stdin, script, sha256_of


@operation()
def put(
    path: str, content: str, mode: str = "644", owner: str = "root:root", watched: tuple[str, ...] = ()
) -> Generator[StringCommand, None, None]:
    """Make a file hold exactly this text.

    :param mode: octal digits; a file with a secret in it gets ``600``
    :param watched: all paths that the calling task manages, so that one round trip reads them all
    """
    paths = watched if path in watched else (*watched, path)
    present = bound.read(FileStates, paths=paths).get(path)
    if present == FileState("file", mode, owner, sha256_of(content)):
        host.noop(f"{path} is as it should be")
        return
    yield script("put_file", path, mode, owner, sha256_of(content), stdin=as_stdin(content))


@operation()
def absent(path: str, watched: tuple[str, ...] = ()) -> Generator[StringCommand, None, None]:
    """Make sure that no file stands at a path."""
    paths = watched if path in watched else (*watched, path)
    present = bound.read(FileStates, paths=paths).get(path)
    if present is None or present.kind == "none":
        host.noop(f"{path} is absent")
        return
    yield script("remove_file", path)
