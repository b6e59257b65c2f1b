"""The node's manifest: what it says before a component is touched, and after it.

Two operations enclose the others of each task. Both read what :func:`wslgpu.manifest.changes` needs with one fact for
all components, so that a deploy that changes nothing asks the node once.
"""

from __future__ import annotations

import datetime
import functools
import os
import time
import weakref
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host

from wslgpu import __version__
from wslgpu.errors import DataError
from wslgpu.facts import bound
from wslgpu.facts.manifest import NodeStates
from wslgpu.manifest import changes, claims
from wslgpu.manifest.ask import Stamp, ask_of
from wslgpu.manifest.load import NewerToolError, manifest_text, parse
from wslgpu.manifest.model import MANIFEST, Manifest
from wslgpu.manifest.state import NodeState
from wslgpu.operations import run_lock
from wslgpu.operations.notes import tell, would_refuse
from wslgpu.operations.script import as_stdin, script, sha256_of
from wslgpu.settings import Settings

EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"
"""Seconds since 1970 that stand for now, so that two builds of an image have equal bytes
(https://reproducible-builds.org/specs/source-date-epoch/)."""

_at_begin: weakref.WeakKeyDictionary[Host, dict[tuple[object, str], NodeState]] = weakref.WeakKeyDictionary()


def stamp() -> Stamp:
    """Now and who; neither of them where the environment says which time it is, since the result is to be the same
    on every machine.

    :raises ValueError: the environment's time is no number
    """
    epoch = os.environ.get(EPOCH_VARIABLE, "")
    moment = datetime.datetime.fromtimestamp(int(epoch) if epoch else int(time.time()), datetime.timezone.utc)
    return Stamp(moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "-" if epoch else run_lock.owner(), __version__)


def read_state(settings: Settings, *, whole: bool = False) -> NodeState:
    """The node in context, asked once for all components.

    :param whole: with what packages need, and with a look at every file of the artifacts
    """
    words = claims.words(settings.data_dir, (settings.cuda_images_namespace,))
    return bound.read(NodeStates, words=(*words, "with=depends", "with=whole") if whole else words)


def _refusal(error_class: str, what: str, next_step: str) -> StringCommand:
    would_refuse(error_class, what, next_step)
    return script("fail", error_class, what, next_step)


def _standing(state: NodeState) -> tuple[Manifest | None, str]:
    """The node's manifest, and what is wrong with what stands in its place; ``(None, "")`` where nothing does.

    :raises NewerToolError: a newer wslgpu wrote it
    """
    if state.manifest_kind == "none":
        return None, ""
    if state.manifest is None:
        return None, f"{MANIFEST} is no file ({state.manifest_kind})"
    try:
        return _parsed(state.manifest), ""
    except DataError as error:
        return None, error.what


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> Manifest:
    """Each component asks for the same text at every step."""
    return parse(text)


@operation()
def checked(settings: Settings) -> Generator[StringCommand, None, None]:
    """Refuse a node that a newer wslgpu was the last to change: this one would not know what it breaks."""
    state = read_state(settings)
    try:
        manifest, wrong = _standing(state)
    except NewerToolError as error:
        yield _refusal(error.error_class.value, f"{error.what} ({error.where})", error.next_step)
        return
    host.noop(f"its manifest was written by wslgpu {manifest.tool_version}" if manifest else wrong or "it has none yet")


@operation()
def begun(component: str, settings: Settings) -> Generator[StringCommand, None, None]:
    """Have the manifest say that this component is being applied, and keep what stands where it goes.

    Where the manifest says already what is asked for, and the node has it, nothing is written.

    :param component: as in :data:`wslgpu.manifest.claims.CLAIMS`
    """
    state = read_state(settings)
    found = _usable(state)
    if isinstance(found, StringCommand):
        yield found
        return
    manifest, wrong = found
    _stash()[host.state.current_stage, component] = state
    begin = changes.begin(manifest, ask_of(component, settings), state, stamp())
    if begin.manifest is None:
        host.noop(f"{component} is recorded as it is asked for")
        return
    if wrong:
        tell(f"{wrong}; it is kept aside, and a new one is written from what is there", warning=True)
    if begin.unknown:
        tell(
            f"{component} is on this node already, and no manifest says what stood there before: only what is marked as"
            " wslgpu's will be taken away with it",
            warning=True,
        )
    yield _write(begin.manifest, bool(wrong), begin.keep)


@operation()
def recorded(component: str, settings: Settings) -> Generator[StringCommand, None, None]:
    """Have the manifest name what is this component's on the node, now that its operations have run."""
    state = read_state(settings)
    earlier = _stash().get((host.state.current_stage, component))
    found = _usable(state)
    if isinstance(found, StringCommand):
        yield found
        return
    manifest, wrong = found
    if manifest is None or earlier is None or component not in manifest.components:
        if host.state.current_stage is StateStage.Execute:
            what = wrong or f"{MANIFEST} does not have {component} any more, which was begun in this run"
            yield script("fail", "platform", what, "Somebody changed it meanwhile. Run it again.")
            return
        host.noop(f"{component} is recorded when it is applied")
        return
    after = changes.record(manifest, ask_of(component, settings), earlier, state, stamp())
    if after is None:
        host.noop(f"{component} is recorded as it is")
        return
    yield _write(after, False, ())


def _usable(state: NodeState) -> tuple[Manifest | None, str] | StringCommand:
    """As :func:`_standing`, or the command that refuses a node which cannot be gone by."""
    if refusal := _incomplete(state):
        return refusal
    try:
        return _standing(state)
    except NewerToolError as error:
        return _refusal(error.error_class.value, f"{error.what} ({error.where})", error.next_step)


def _incomplete(state: NodeState) -> StringCommand | None:
    if state.complete and state.manifest_kind != "unreadable":
        return None
    return script(
        "fail",
        "platform",
        "the node did not say what it has",
        "It needs root, and a shell with coreutils and findutils.",
    )


def _stash() -> dict[tuple[object, str], NodeState]:
    context: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    return _at_begin.setdefault(context, {})


def _write(manifest: Manifest, aside: bool, keep: tuple[tuple[str, str], ...]) -> StringCommand:
    text = manifest_text(manifest)
    pairs = [word for path, digest in keep for word in (digest, path)]
    return script("manifest_write", sha256_of(text), aside, *pairs, stdin=as_stdin(text))
