"""A signed apt repository: its key by fingerprint, and a deb822 sources file that names that key."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.apt_repository import AptRepository
from wslgpu.facts.file_state import FileState
from wslgpu.operations import bundle
from wslgpu.operations.script import as_stdin, script, sha256_of
from wslgpu.templates import render

TOOLKIT_SOURCES = "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"


def sources_text(uri: str, keyring: str) -> str:
    """A deb822 stanza for a flat repository, of amd64 packages only."""
    return render(TOOLKIT_SOURCES, uri=uri, keyring=keyring)


@operation()
def flat(
    uri: str, key_url: str, fingerprint: str, *, keyring: str, sources: str, download_timeout_s: int = 300
) -> Generator[StringCommand, None, None]:
    """Let apt know a flat repository whose index is signed by one key.

    The keyring holds that one key and nothing else; one that has expired since is fetched anew. Another sources file
    that names the same address with another keyring makes apt refuse all sources: it is named, never removed.

    :param fingerprint: all 40 hexadecimal digits
    :param keyring: where the key goes; a link in its place is replaced, never followed
    """
    state = bound.read(AptRepository, uri=uri, keyring=keyring, sources=sources)
    if conflicting := [(path, by) for path, by in state.others if by != keyring]:
        files = ", ".join(f"{path} (Signed-By {by or 'nothing'})" for path, by in conflicting)
        yield script(
            "fail",
            "platform",
            f"the repository {uri} is named twice, with different keys: in {sources} (Signed-By {keyring})"
            f" and in {files}",
            f"apt refuses both. Remove the other: rm {' '.join(path for path, _ in conflicting)}",
        )
        return
    text = sources_text(uri, keyring)
    key_settled = state.keyring == FileState("file", "644", "root:root", "") and [
        (found, validity in "er") for found, validity in state.keys
    ] == [(fingerprint, False)]
    sources_settled = state.sources == FileState("file", "644", "root:root", sha256_of(text))
    if key_settled and sources_settled:
        host.noop(f"apt knows {uri} by the key {fingerprint}")
        return
    if not key_settled:
        received = yield from bundle.file_of_run(key_url)
        yield script("apt_key", key_url, fingerprint, keyring, download_timeout_s, *received)
    if not sources_settled:
        yield script("put_file", sources, "644", "root:root", sha256_of(text), stdin=as_stdin(text))
