"""The manifest's next text, from the one that is there and what a node has: pure.

:func:`begin` comes before a component's operations, :func:`record` after them. Between both the manifest says
``applying``, and knows what the node had before: a run that is cut off anywhere, and begun again, still does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wslgpu.manifest.ask import Ask, Stamp
from wslgpu.manifest.claims import CLAIMS, HOMES, is_marked
from wslgpu.manifest.model import Begun, Component, Entry, Image, Manifest, Package, Unit
from wslgpu.manifest.state import NodeState


@dataclass(frozen=True)
class Begin:
    """What is to be done before a component is touched.

    :param manifest: to be written; None: it is recorded as it is asked for and as it stands
    :param keep: path -> sha256 of files whose content is kept first
    :param unknown: the component is there already, and the manifest did not know it
    """

    manifest: Manifest | None = None
    keep: tuple[tuple[str, str], ...] = ()
    unknown: bool = False


def begin(manifest: Manifest | None, ask: Ask, state: NodeState, stamp: Stamp) -> Begin:
    """What to write before the component is touched.

    :param manifest: None where there is none, or it is damaged
    """
    present = manifest.components.get(ask.component) if manifest else None
    owners = _owners(manifest, besides=ask.component)
    claims = CLAIMS[ask.component]
    claimed = _claimed(ask, state)
    recorded = present.files if present else {}
    foreign = {
        path: entry
        for path, entry in claimed.items()
        if path not in recorded
        and path not in owners
        and not is_marked(path, state.made)
        and not (path in claims.by_itself and present is not None and brought(present))
    }
    # what somebody changed under us is overwritten soon: its content is kept as well
    edited = {
        path: entry
        for path, entry in claimed.items()
        if path in recorded and entry.kind == "file" and _edited(recorded[path], entry)
    }
    cut_off = present is not None and present.state == "applying" and present.begun is not None
    # a run that was cut off has kept what there was; what is new since is its own
    keep = tuple(
        (path, entry.sha256)
        for path, entry in sorted(({} if cut_off else {**foreign, **edited}).items())
        if entry.sha256 and entry.sha256 not in state.kept and path not in claims.unkept
    )
    if present is not None and present.state == "applied" and not keep and _stands(present, ask, state, stamp):
        return Begin()
    marked = [path for path in claimed if is_marked(path, state.made) and path not in owners and path != ask.data_dir]
    artifacts = [name for name in claims.artifacts if name in state.artifacts]
    unknown = present is None and bool([path for path in marked if claimed[path].kind != "directory"] or artifacts)
    base = present or Component(
        state="applying", at=stamp.at, tool_version=stamp.tool_version, settings=ask.settings, lock=ask.lock
    )
    before = dict(base.before)
    by_others = dict(base.edited)
    if not cut_off:
        # the earliest stays
        before = {**foreign, **before}
        by_others = {**{path: entry.sha256 for path, entry in edited.items() if entry.sha256}, **by_others}
    component = base.model_copy(
        update={
            "state": "applying",
            "at": stamp.at,
            "tool_version": stamp.tool_version,
            "settings": ask.settings,
            "lock": ask.lock,
            "before": dict(sorted(before.items())),
            "edited": by_others,
            "unknown_before": base.unknown_before or unknown,
            "begun": base.begun if cut_off else _begun(state),
        }
    )
    return Begin(_written(manifest, {ask.component: component}, stamp), keep, unknown)


def record(manifest: Manifest, ask: Ask, earlier: NodeState, now: NodeState, stamp: Stamp) -> Manifest | None:
    """The manifest after the component's operations; None where it says all already.

    :param earlier: the node as :func:`begin` saw it in this run
    """
    component = manifest.components.get(ask.component)
    if component is None:
        return None
    begun = _without_others(component.begun or _begun(earlier), ask, earlier, now)
    others: dict[str, Component] = {}
    files = _files(manifest, ask, others, component, earlier, now)
    packages = _packages(manifest, ask, others, component, begun.packages, now)
    update_to = {
        "state": "applied",
        "files": files.ours,
        "before": dict(sorted(files.before.items())),
        "edited": {path: digest for path, digest in files.edited.items() if path in files.ours},
        "packages": packages,
        "holds": sorted(
            name
            for name, package in now.packages.items()
            if package.held and (name not in begun.holds or name in component.holds)
        ),
        "units": _units(component, begun.units, now),
        "users": _came(component.users, begun.users, now.users),
        "groups": _came(component.groups, begun.groups, now.groups),
        "images": _images(component, ask, begun.images, now),
        "artifacts": {name: now.artifacts[name] for name in CLAIMS[ask.component].artifacts if name in now.artifacts},
        "begun": None,
    }
    after = component.model_copy(update=update_to)
    if after == component and not others:
        return None
    after = after.model_copy(update={"at": stamp.at, "tool_version": stamp.tool_version})
    return _written(manifest, {**others, ask.component: after}, stamp)


@dataclass
class _Files:
    """What a component says of files: its own, what stood there before, and what somebody has changed under us."""

    ours: dict[str, Entry]
    before: dict[str, Entry]
    edited: dict[str, str]


def _files(
    manifest: Manifest,
    ask: Ask,
    others: dict[str, Component],
    component: Component,
    earlier: NodeState,
    now: NodeState,
) -> _Files:
    """The component's files; what it changed of another component's is recorded there, in ``others``."""
    owners = _owners(manifest, besides=ask.component)
    by_itself = CLAIMS[ask.component].by_itself
    before = dict(component.before)
    if component.begun is None:
        # nothing was written at the beginning: what was not ours then is not ours now
        before = {**{path: entry for path, entry in earlier.entries.items() if path not in component.files}, **before}
    stood = {path: entry for path, entry in component.before.items() if path in by_itself}
    found = _Files({}, stood, dict(component.edited))

    def record_there(name: str, path: str, entry: Entry) -> None:
        owner = others.get(name, manifest.components[name])
        others[name] = owner.model_copy(update={"files": {**owner.files, path: entry}})

    for path, entry in _claimed(ask, now).items():
        if path in by_itself:
            continue
        shown = _shown(ask, path, entry)
        home = HOMES.get(path, ask.component)
        if path in component.files:
            found.ours[path] = _again(
                component.files[path], shown, entry, earlier.entries.get(path), path, found.edited
            )
        elif path in owners:
            if earlier.entries.get(path) != entry:
                owner = others.get(owners[path], manifest.components[owners[path]])
                record_there(owners[path], path, _shown_as(owner.files[path], entry))
            continue
        elif home != ask.component and home in manifest.components:
            record_there(home, path, shown)
            continue
        elif path in before and before[path] == entry and not is_marked(path, now.made):
            continue
        else:
            found.ours[path] = shown
        if path in before and not (path not in component.before and is_marked(path, now.made)):
            found.before[path] = before[path]
    if component.begun is None:
        # what our units took away by themselves, they bring back
        found.ours |= {
            path: entry
            for path, entry in component.files.items()
            if _lives(entry) and path not in earlier.entries and path not in now.entries
        }
    return found


def _again(old: Entry, shown: Entry, entry: Entry, at_begin: Entry | None, path: str, edited: dict[str, str]) -> Entry:
    """How a file that is recorded already is recorded now; ``edited`` loses it where nothing of an edit is left.

    :param old: as it is recorded; ``shown``: as it would be recorded if it were new
    :param at_begin: what stood there when the operations began; ``entry``: what stands there now
    """
    if at_begin == entry and _edited(old, entry):
        # changed by hand, and our operations left it so: what we wrote stays recorded
        if edited.get(path) == entry.sha256:
            del edited[path]
        return shown.model_copy(update={"sha256": old.sha256})
    if (
        at_begin is not None
        and _edited(old, at_begin)
        and shown.sha256 == old.sha256
        and edited.get(path) == at_begin.sha256
    ):
        # put back as we had written it; words of an earlier time would stay in it
        del edited[path]
    return shown


def brought(component: Component) -> bool:
    """Whether packages came with a component: what these make by themselves came with it as well."""
    return any(not package.before for package in component.packages.values())


def _written(manifest: Manifest | None, components: Mapping[str, Component], stamp: Stamp) -> Manifest:
    unknown = any(component.unknown_before for component in components.values())
    return Manifest(
        serial=(manifest.serial if manifest else 0) + 1,
        tool_version=stamp.tool_version,
        at=stamp.at,
        by=stamp.by,
        unknown_before=unknown or (manifest is not None and manifest.unknown_before),
        components={**(manifest.components if manifest else {}), **components},
    )


def _owners(manifest: Manifest | None, besides: str) -> dict[str, str]:
    """Which other component each recorded path belongs to."""
    if manifest is None:
        return {}
    return {path: name for name, one in manifest.components.items() if name != besides for path in one.files}


def _claimed(ask: Ask, state: NodeState) -> dict[str, Entry]:
    claims = CLAIMS[ask.component]
    return {path: entry for path, entry in sorted(state.entries.items()) if claims.cover(path, entry, ask.data_dir)}


def _shown(ask: Ask, path: str, entry: Entry) -> Entry:
    return entry.model_copy(update={"sha256": ""}) if CLAIMS[ask.component].lives(path, ask.data_dir) else entry


def _shown_as(old: Entry, entry: Entry) -> Entry:
    """The entry as another component records it: a living file stays one."""
    return entry.model_copy(update={"sha256": ""}) if _lives(old) else entry


def _lives(recorded: Entry) -> bool:
    """Whether it was recorded as a file that is made anew, and taken away, by what runs on the node."""
    return recorded.kind == "file" and not recorded.sha256


def _edited(old: Entry, entry: Entry) -> bool:
    """Whether a file's content is another than what was recorded; of a living one nothing is known."""
    return old.kind != entry.kind or (bool(old.sha256) and old.sha256 != entry.sha256)


def _stands(component: Component, ask: Ask, state: NodeState, stamp: Stamp) -> bool:
    """Whether a component is recorded as it is asked for, and the node still has what is recorded.

    A file whose content was changed by hand counts as standing: its content was kept by then, see :func:`begin`.
    """
    asked = (component.settings, component.lock, component.tool_version)
    if asked != (ask.settings, ask.lock, stamp.tool_version):
        return False
    return (
        all(
            _same_place(state.entries.get(path), entry) or (_lives(entry) and path not in state.entries)
            for path, entry in component.files.items()
        )
        and all(_version(state, name) == package.version for name, package in component.packages.items())
        and all(name in state.packages and state.packages[name].held for name in component.holds)
        and all(state.units.get(name, _GONE) == unit.state for name, unit in component.units.items())
        and all(state.users.get(name) == number for name, number in component.users.items())
        and all(state.groups.get(name) == number for name, number in component.groups.items())
        and all(state.images.get(name) == image for name, image in component.images.items())
        and component.artifacts
        == {name: state.artifacts[name] for name in CLAIMS[ask.component].artifacts if name in state.artifacts}
    )


def _same_place(found: Entry | None, recorded: Entry) -> bool:
    """The same, a file's content left out."""
    if found is None:
        return False
    return found.model_copy(update={"sha256": ""}) == recorded.model_copy(update={"sha256": ""})


_GONE = "disabled"
"""A unit that nobody asked for is seen where it is enabled or masked only."""


def _version(state: NodeState, name: str) -> str:
    package = state.packages.get(name)
    return package.version if package is not None and package.status == "installed" else ""


def _begun(state: NodeState) -> Begun:
    return Begun(
        packages={name: _version(state, name) for name in sorted(state.packages) if _version(state, name)},
        holds=sorted(name for name, package in state.packages.items() if package.held),
        units=dict(sorted(state.units.items())),
        users=sorted(state.users),
        groups=sorted(state.groups),
        images={name: image.digest for name, image in sorted(state.images.items())},
    )


def _without_others(begun: Begun, ask: Ask, earlier: NodeState, now: NodeState) -> Begun:
    """What there was, with what somebody else has put there since a run of ours was cut off, or failed.

    A package that apt does not count as a dependency, and that no task asks for, is theirs. Where there is one,
    accounts and units that came by then may be theirs as well, and are taken for that.
    """
    theirs = {
        name: _version(earlier, name)
        for name, package in now.packages.items()
        if name not in begun.packages
        and _version(earlier, name)
        and not package.automatic
        and name.partition(":")[0] not in ask.packages
    }
    if not theirs:
        return begun
    units = {name: state for name, state in earlier.units.items() if name not in CLAIMS[ask.component].units}
    return begun.model_copy(
        update={
            "packages": {**begun.packages, **theirs},
            "users": [*begun.users, *earlier.users],
            "groups": [*begun.groups, *earlier.groups],
            "units": {**units, **begun.units},
        }
    )


def _packages(
    manifest: Manifest,
    ask: Ask,
    others: dict[str, Component],
    component: Component,
    earlier: Mapping[str, str],
    now: NodeState,
) -> dict[str, Package]:
    """The component's packages; what it changed of another component's is recorded there, in ``others``."""
    found: dict[str, Package] = {}
    owners = {
        name: owner for owner, one in manifest.components.items() if owner != ask.component for name in one.packages
    }
    for name, package in sorted(now.packages.items()):
        if package.status != "installed":
            continue
        was = earlier.get(name, "")
        if name in component.packages:
            old = component.packages[name]
            found[name] = Package(version=package.version, before=old.before, automatic=package.automatic)
        elif was != package.version:
            if name in owners:
                owner = others.get(owners[name], manifest.components[owners[name]])
                changed = owner.packages[name].model_copy(
                    update={"version": package.version, "automatic": package.automatic}
                )
                others[owners[name]] = owner.model_copy(update={"packages": {**owner.packages, name: changed}})
            else:
                found[name] = Package(version=package.version, before=was, automatic=package.automatic)
    return found


def _units(component: Component, earlier: Mapping[str, str], now: NodeState) -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for name in sorted({*earlier, *now.units, *component.units}):
        state = now.units.get(name, _GONE)
        if name in component.units:
            before = component.units[name].before
        else:
            before = earlier.get(name, "absent")
            if before == state or (name not in now.units and name not in earlier):
                continue
        if state not in ("absent", before):
            found[name] = Unit(state=state, before=before)
    return found


def _came(recorded: Mapping[str, int], earlier: list[str], now: Mapping[str, int]) -> dict[str, int]:
    return {name: number for name, number in sorted(now.items()) if name in recorded or name not in earlier}


def _images(component: Component, ask: Ask, earlier: Mapping[str, str], now: NodeState) -> dict[str, Image]:
    return {
        name: image
        for name, image in sorted(now.images.items())
        if name in component.images or (name in ask.images and earlier.get(name) != image.digest)
    }
