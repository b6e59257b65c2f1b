"""The data directory, the site's certificate authorities, pip's way out."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.base_state import BaseStates
from wslgpu.operations import file_state
from wslgpu.operations.script import as_stdin, script, sha256_of
from wslgpu.preflight import refusals
from wslgpu.preflight.state import judge_file_systems
from wslgpu.settings import Settings
from wslgpu.site_access import pip_conf


@operation()
def data_directory(settings: Settings) -> Generator[StringCommand, None, None]:
    """Make settings.data_dir a directory of root's, mode 0755, on a file system that keeps Linux permissions."""
    state = bound.read(BaseStates, data_dir=settings.data_dir)
    found = refusals(list(judge_file_systems(state.shape, settings)))
    if found:
        yield script("fail", *(text for one in found for text in (one.script_class, one.what, one.next_step)))
        return
    if state.directory == ("755", "root:root", "directory"):
        host.noop(f"{settings.data_dir} is as it should be")
        return
    yield script("data_directory", settings.data_dir)


@operation()
def authorities(certificates: tuple[str, ...], data_dir: str) -> Generator[StringCommand, None, None]:
    """Trust exactly these certificates as the site's, beside the distribution's own.

    :param certificates: PEM, each ending with a newline; none: the site has no authority of its own
    """
    state = bound.read(BaseStates, data_dir=data_dir)
    wanted = {
        "wslgpu-site.crt" if number == 1 else f"wslgpu-site-{number}.crt": sha256_of(text)
        for number, text in enumerate(certificates, 1)
    }
    present = dict(state.authorities)
    if {name: one.sha256 for name, one in present.items()} == wanted and all(one.trusted for one in present.values()):
        host.noop(f"the site's {len(wanted)} certificate authorities are trusted" if wanted else "no authority to add")
        return
    text = "".join(certificates)
    yield script("authorities", len(certificates), sha256_of(text), stdin=as_stdin(text))


@operation()
def text_file(
    path: str, content: str, mode: str = "644", watched: tuple[str, ...] = ()
) -> Generator[StringCommand, None, None]:
    """Keep a file with this text, or, where the text is empty, no file.

    :param watched: as in :func:`wslgpu.operations.file_state.put`
    """
    if content:
        yield from file_state.put._inner(path=path, content=content, mode=mode, watched=watched)
    else:
        yield from file_state.absent._inner(path=path, watched=watched)


@operation()
def pip_way_out(proxy: str, certificate: str, *, secret: bool, data_dir: str) -> Generator[StringCommand, None, None]:
    """Set proxy and certificates in /etc/pip.conf, or take ours out; other keys stay.

    :param secret: the proxy's address holds a password, so that only root may read the file
    """
    state = bound.read(BaseStates, data_dir=data_dir)
    if state.pip_others is None:
        yield script("fail", "usage", "/etc/pip.conf is not UTF-8 text", "Mend it, or move it away.")
        return
    if proxy or certificate:
        text, mode = pip_conf(state.pip_others, proxy, certificate), "600" if secret else "644"
        as_it_should_be = (state.pip_sha256, state.pip_mode) == (sha256_of(text), f"{mode} root:root")
    else:
        # where nothing in the file is ours, its mode and even an empty section are not ours either
        text, mode = pip_conf(state.pip_others, "", ""), "644"
        as_it_should_be = state.pip_sha256 in ("", sha256_of(state.pip_others))
    if as_it_should_be:
        host.noop("pip's configuration is as it should be")
        return
    if not text:
        yield script("remove_file", "/etc/pip.conf")
        return
    yield script("put_file", "/etc/pip.conf", mode, "root:root", sha256_of(text), stdin=as_stdin(text))
