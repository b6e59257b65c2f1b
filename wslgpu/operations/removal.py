"""What wslgpu put on a node, taken away again component by component, by the node's own manifest.

Each component is marked as ``removing`` before anything of it is touched, and is out of the manifest when it is gone,
so that a run which was cut off has told the truth and the next one goes on. What is decided stands in
:mod:`wslgpu.removal.plan`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.errors import WslgpuError
from wslgpu.facts import bound
from wslgpu.facts.component_data import ComponentData, DataState
from wslgpu.facts.manifest import NodeStates
from wslgpu.manifest import changes, claims
from wslgpu.manifest.ask import ask_of
from wslgpu.manifest.load import manifest_text, parse
from wslgpu.manifest.model import BEFORE, MANIFEST, Manifest
from wslgpu.manifest.state import NodeState
from wslgpu.operations import artifact, k3s, kubernetes_node, notes, video_cdi, vllm
from wslgpu.operations import manifest as manifest_operations
from wslgpu.operations.containerd import PACKAGES as CONTAINERD_PACKAGES
from wslgpu.operations.script import as_stdin, script, sha256_of
from wslgpu.removal import plan as plans
from wslgpu.removal.plan import EDITED, ComponentPlan, Refusal
from wslgpu.settings import Settings

AT_ONCE = 100
"""Paths in one command: what is longer than 128 KiB no program is given on Linux (MAX_ARG_STRLEN, execve(2))."""
CERTIFICATES, CONTAINERD = "/usr/local/share/ca-certificates/", "/etc/containerd/"
LIBRARIES, IMAGE_STORE = "/etc/ld.so.conf.d/", "/var/lib/containerd"


def read(settings: Settings) -> NodeState:
    """The node in context with everything that its manifest names, and what packages need of each other."""
    words = (*claims.words(settings.data_dir, (settings.cuda_images_namespace,)), "with=depends")
    state = bound.read(NodeStates, words=words)
    manifest = known(state, settings)
    if not isinstance(manifest, Manifest):
        return state
    named = {path for one in manifest.components.values() for path in one.files}
    covered = [pattern.removeprefix("path=") for pattern in words if pattern.startswith("path=")]
    others = sorted(p for p in named if not any(claims.matches(pattern, p) for pattern in covered))
    return bound.read(NodeStates, words=(*words, *(f"path={path}" for path in others))) if others else state


def known(state: NodeState, settings: Settings, going: tuple[str, ...] = ()) -> Manifest | Refusal | None:
    """The node's manifest; None where there is nothing of wslgpu's; else why it cannot be gone by.

    :param going: of these, where an apply was cut off, it says what the node has of them by now
    """
    again = "wslgpu apply writes it anew from what is there; then run this again."
    if not state.complete:
        return Refusal("the node's answer was cut off", "Run it again; look at the node's disk.", "platform retryable")
    if state.manifest_kind in ("link", "other"):
        kind = "a link" if state.manifest_kind == "link" else "no file"
        return Refusal(f"{MANIFEST} is {kind}, and is not followed", f"Look at it, and move it away. {again}")
    if state.manifest_kind == "unreadable":
        return Refusal(f"{MANIFEST} cannot be read", "It needs root: use sudo.", "platform")
    if state.manifest is None:
        if found := plans.traces(state):
            there = ", ".join(found[:5])
            what = f"there is no {MANIFEST}, which says what is wslgpu's on this node; of its traces there are {there}"
            return Refusal(what, again, "usage")
        return None
    try:
        manifest = parse(state.manifest)
    except WslgpuError as error:
        return Refusal(error.what, error.next_step, error.error_class.value)
    for name, one in manifest.components.items():
        if name in going and one.state == "applying" and one.begun is not None and name in claims.CLAIMS:
            ask, stamp = ask_of(name, settings), manifest_operations.stamp()
            manifest = changes.record(manifest, ask, state, state, stamp) or manifest
    return manifest


def refuse(found: Iterable[Refusal]) -> StringCommand:
    """What ends this host's run with all of these; a dry run is told too."""
    words: list[str] = []
    for one in found:
        notes.would_refuse(one.error_class, one.what, one.next_step)
        words += [one.error_class, one.what, one.next_step]
    return script("fail", *words)


def _data(manifest: Manifest, state: NodeState, names: Iterable[str]) -> DataState:
    asked = tuple(names)
    folders = {path for name in asked for path in plans.data_folders(manifest, state, name)}
    if not folders and "containerd" not in asked:
        return DataState()
    return bound.read(ComponentData, folders=tuple(sorted(folders)))


def _takes_containerd(made: ComponentPlan) -> bool:
    return bool(set(made.purge) & set(CONTAINERD_PACKAGES))


@operation()
def checked(settings: Settings, components: tuple[str, ...], *, force: bool) -> Generator[StringCommand, None, None]:
    """Refuse, before anything is touched, what must not go: all reasons at once."""
    state = read(settings)
    manifest = known(state, settings, components)
    if isinstance(manifest, Refusal):
        yield refuse([manifest])
        return
    going = [name for name in components if name in manifest.components] if manifest else []
    if manifest is None or not going:
        notes.tell("nothing of that is on this node" if manifest else "nothing of wslgpu's is on this node")
        host.noop("nothing of that is here")
        return
    found = plans.refusals(manifest, state, components, force=force, data_dir=settings.data_dir)
    if "containerd" in going and not force and _takes_containerd(plans.plan(manifest, state, "containerd")):
        running = _data(manifest, state, ["containerd"]).running
        if running:
            step = "End them (ctr --namespace NAMESPACE tasks kill NAME); with --force they are ended."
            what = f"containers run under containerd, which is to go: {', '.join(running)}"
            found.append(Refusal(what, step))
    if found:
        yield refuse(found)
        return
    host.noop("nothing stands in the way")


@operation()
def component(
    component_name: str, settings: Settings, components: tuple[str, ...], *, force: bool, data: bool, dry: bool
) -> Generator[StringCommand, None, None]:
    """Take one component away.

    :param components: all that go in this run
    :param data: also what others keep in the folders in which the component's programs have their data
    """
    state = read(settings)
    manifest = known(state, settings, components)
    if isinstance(manifest, Refusal):
        yield script("fail", manifest.error_class, manifest.what, manifest.next_step)
        return
    if manifest is None or component_name not in manifest.components:
        host.noop(f"{component_name} is not here")
        return
    if found := plans.refusals(manifest, state, components, force=force, data_dir=settings.data_dir):
        yield script("fail", *(word for one in found for word in (one.error_class, one.what, one.next_step)))
        return
    there = _data(manifest, state, [component_name])
    used = () if data else there.used
    if dry and _all_images_go(manifest, state):
        used = tuple(folder for folder in used if folder != IMAGE_STORE)
    made = plans.plan(manifest, state, component_name, used=used, data_dir=settings.data_dir)
    keep_copies = manifest.unknown_before and bool(state.kept) and set(manifest.components) == {component_name}
    also = _also_stays(component_name, settings, keep_copies=keep_copies)
    tell_plan(replace(made, stays=(*made.stays, *also)), dry=dry)

    stamp = manifest_operations.stamp()
    if manifest.components[component_name].state != "removing":
        manifest = plans.changed(manifest, made, stamp, done=False)
        yield _put(manifest)
    yield from _changes(made, settings, there.running if force else ())
    after = plans.changed(manifest, made, stamp, done=True)
    if not after.components:
        yield script("removal_end", BEFORE, "all-but-copies" if keep_copies else "all")
        return
    yield _put(after)
    if copies := plans.unneeded_copies(after, state):
        yield script("removal_end", BEFORE, *copies)


def _also_stays(component_name: str, settings: Settings, *, keep_copies: bool) -> Iterator[str]:
    """What stays and is in no manifest."""
    if component_name == "wsl" and settings.wslconfig_write:
        yield ".wslconfig on the Windows drive stays as it is, and beside it its earlier texts (*.wslgpu-*.bak)"
    if keep_copies:
        yield (
            f"{BEFORE} stays: the manifest was lost once, and what stood here before wslgpu may be nowhere else;"
            " look at it, and delete it"
        )


def _all_images_go(manifest: Manifest, state: NodeState) -> bool:
    """Whether containerd has no image but ours, under whatever names: what holds nothing else goes with them."""
    ours = {image.digest for one in manifest.components.values() for image in one.images.values()}
    return {image.digest for image in state.images.values()} <= ours


def _put(manifest: Manifest) -> StringCommand:
    text = manifest_text(manifest)
    return script("put_file", MANIFEST, "600", "root:root", sha256_of(text), stdin=as_stdin(text))


def _changes(made: ComponentPlan, settings: Settings, running: tuple[str, ...]) -> Iterator[StringCommand]:
    """What the plan says, in its order. Each step does nothing where it is done already.

    :param running: containers that may be ended
    """
    for some in _some([("aside", path, EDITED) for path in made.aside]):
        yield script("removal_files", *some)
    if made.images:
        yield script(
            "removal_images", *(w for name, one in made.images.items() for w in (one.namespace, name, one.digest))
        )
    if running and _takes_containerd(made):
        yield script("removal_containers", *running)
    units = [("stop", unit) for unit in made.stop] + [(state, unit) for unit, state in made.unit_states.items()]
    if units:
        yield script("removal_units", *(word for pair in units for word in pair))
    yield from _left(made.component, settings)
    if made.release or made.purge:
        yield script("removal_packages", settings.apt_lock_timeout_s, *made.release, "--", *made.purge)
    if made.data:
        yield script("removal_data", *made.data)
    for some in _some(file_words(made)):
        yield script("removal_files", *some)
    accounts = [("user", *one) for one in made.users.items()] + [("group", *one) for one in made.groups.items()]
    if accounts:
        yield script("removal_users", *(word for one in accounts for word in one))
    paths = (*made.restore, *made.delete, *made.aside)
    if paths or made.purge:
        yield script("removal_reload", *_to_reload(made, paths))


def file_words(made: ComponentPlan) -> list[tuple[str, ...]]:
    """The plan's paths as removal_files.sh takes them."""
    words: list[tuple[str, ...]] = []
    for path, entry in made.restore.items():
        if entry.kind == "file":
            words.append(("file", path, entry.mode, entry.owner, entry.sha256, BEFORE))
        elif entry.kind == "link":
            words.append(("link", path, entry.owner or "root:root", entry.target))
    words += [("delete", path, digest or "-") for path, digest in made.delete.items()]
    words += [("folder", path) for path in made.folders]
    return words


def _some(words: list[tuple[str, ...]]) -> Iterator[list[str]]:
    for start in range(0, len(words), AT_ONCE):
        yield [word for one in words[start : start + AT_ONCE] for word in one]


def _to_reload(made: ComponentPlan, paths: Iterable[str]) -> list[str]:
    words = []
    if any(path.startswith(CERTIFICATES) for path in paths):
        words.append("certificates")
    if any(path.startswith(LIBRARIES) for path in paths):
        words.append("libraries")
    if any(path.startswith(CONTAINERD) for path in paths) and not _takes_containerd(made):
        words.append("restart=containerd.service")
    return words


def _left(name: str, settings: Settings) -> Generator[StringCommand, None, None]:
    """A component's own way of leaving a node, where it has one."""
    if name == "kubernetes":
        yield from kubernetes_node.left._inner(role="none", kubelet=settings.kubernetes_kubelet)
        yield from k3s.absent._inner(kubelet=settings.kubernetes_kubelet)
    elif name == "vllm":
        yield from vllm.absent._inner(settings=settings.model_copy(update={"vllm_install": "none"}))
    elif name == "video_cdi":
        yield from video_cdi.absent._inner(kind=settings.video_cdi_kind)
    elif name in ("ffmpeg", "mesa_dozen"):
        yield from artifact.absent._inner(artifact=name.replace("_", "-"))


def tell_plan(made: ComponentPlan, *, dry: bool) -> None:
    """For people: what stays and why; in a dry run also what would go."""
    lines = [f"{made.component}: {text}" for text in made.stays]
    if dry:
        for words, names in (
            ("purge", made.purge),
            ("stop", made.stop),
            ("put back", sorted(made.restore)),
            ("delete", sorted(made.delete)),
            ("delete with all in it", made.data),
            ("remove the images", sorted(made.images)),
            ("remove the users", sorted({*made.users, *made.groups})),
        ):
            if names:
                lines.append(f"{made.component}: would {words}: {', '.join(names)}")
    for line in lines:
        if dry:
            notes.tell_planned(line)
        else:
            notes.tell(line)
