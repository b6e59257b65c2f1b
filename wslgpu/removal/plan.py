"""What removing a component changes on a node, or why it must not be removed. Pure: manifest and node in, values out.

Nothing that is somebody else's goes: a file only if it is as it was recorded, a package only if it was not there before
and nothing else needs it, a folder only if it is empty, a user only with the number that it came with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from wslgpu.manifest.ask import Stamp
from wslgpu.manifest.changes import brought
from wslgpu.manifest.claims import CLAIMS, OWN, Claims
from wslgpu.manifest.model import BEFORE, MANIFEST, Component, Entry, Image, Manifest, Package
from wslgpu.manifest.state import NodeState
from wslgpu.removal import packages as package_rules
from wslgpu.removal.order import chosen, needed_by

EDITED = ".wslgpu-edited"
"""Under this name beside its place is kept what somebody changed and ``--force`` took away."""


@dataclass(frozen=True)
class Refusal:
    """Why a component is not removed.

    :param error_class: as node scripts print it
    """

    what: str
    next_step: str
    error_class: str = "safety"


@dataclass(frozen=True)
class ComponentPlan:
    """What removing one component changes, in the order of the fields.

    :param aside: edited files that are kept under another name
    :param stop: units that go
    :param unit_states: unit -> the state that it had before
    :param release: packages whose hold is ours
    :param purge: packages that go
    :param restore: path -> what stood there before
    :param delete: path -> its sha256, empty for a link or where the node makes the file anew by itself
    :param data: folders that go with all that is in them
    :param folders: those of ours that go if nothing is in them, the deepest first
    :param users: name -> number; ``groups`` likewise
    :param images: ``repository:tag`` -> image
    :param stays: for people: what remains, and why
    :param left_packages: package -> the component that it belongs to from now on
    :param left_files: path -> likewise
    """

    component: str
    aside: tuple[str, ...] = ()
    images: Mapping[str, Image] = field(default_factory=dict)
    stop: tuple[str, ...] = ()
    unit_states: Mapping[str, str] = field(default_factory=dict)
    release: tuple[str, ...] = ()
    purge: tuple[str, ...] = ()
    restore: Mapping[str, Entry] = field(default_factory=dict)
    delete: Mapping[str, str] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    users: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    stays: tuple[str, ...] = ()
    left_packages: Mapping[str, str] = field(default_factory=dict)
    left_files: Mapping[str, str] = field(default_factory=dict)


def refusals(
    manifest: Manifest, state: NodeState, going: Iterable[str], *, force: bool, data_dir: str = OWN
) -> list[Refusal]:
    """All that stands in the way of removing components, before anything is touched.

    :param going: components, those that the node does not have included
    :param force: what was edited by hand goes too, and is kept beside its place
    """
    wanted = [name for name in going if name in manifest.components]
    staying = [name for name in manifest.components if name not in wanted]
    found: list[Refusal] = []
    for name in wanted:
        if users := needed_by(name, staying):
            what = f"{name} is needed by {', '.join(users)} on this node"
            together = " ".join(chosen((*wanted, *users)))
            found.append(Refusal(what, f"Remove them with it: wslgpu remove {together}", "usage"))
    edited: dict[str, str] = {}
    lost: list[str] = []
    for name in wanted:
        component = manifest.components[name]
        edited.update(changed_by_hand(manifest, name, state, data_dir))
        lost += [path for path, entry in _to_restore(component, state).items() if _is_lost(entry, state)]
    if edited and not force:
        listed = "; ".join(f"{path} ({how})" for path, how in sorted(edited.items()))
        step = f"Look at them. With --force ours go all the same, and each of these is kept as PATH{EDITED}."
        found.append(Refusal(f"changed by hand since wslgpu wrote them: {listed}", step))
    if lost and not force:
        what = (
            f"what stood at {', '.join(sorted(lost))} before wslgpu is to come back, and its copy in {BEFORE} is gone"
        )
        found.append(
            Refusal(what, "Bring the copies back from a backup; with --force these paths end empty.", "integrity")
        )
    return found


def changed_by_hand(manifest: Manifest, name: str, state: NodeState, data_dir: str = OWN) -> dict[str, str]:
    """The files and links of a component that are neither as recorded nor as before it: path -> in what they differ.

    What another component of ours has written since was not changed by hand, nor what the node itself makes anew, such
    as a CDI spec after a new driver.
    """
    component = manifest.components[name]
    claims = _claims(name)
    found: dict[str, str] = {}
    for path, entry in component.files.items():
        now = state.entries.get(path)
        known = [one.files.get(path) for one in manifest.components.values()]
        if now is None or entry.kind == "directory" or now == component.before.get(path):
            continue
        if path in component.edited and now.kind == "file":
            found[path] = "somebody changed it, and wslgpu wrote into that"
            continue
        if now in known:
            continue
        if now.kind == entry.kind == "file" and (not entry.sha256 or claims.lives(path, data_dir)):
            continue
        found[path] = _difference(entry, now)
    return found


def _claims(name: str) -> Claims:
    """Of a component; one that this wslgpu does not know claims nothing."""
    return CLAIMS.get(name, Claims())


def _difference(was: Entry, now: Entry) -> str:
    if now.kind != was.kind:
        kind = {"link": f"a link to {now.target}", "directory": "a folder", "file": "a file"}[now.kind]
        return f"is {kind} now"
    if now.target != was.target:
        return f"points to {now.target}"
    parts = ["content"] if now.sha256 != was.sha256 else []
    parts += [f"mode {was.mode} is {now.mode}"] if now.mode != was.mode else []
    parts += [f"owner {was.owner} is {now.owner}"] if now.owner != was.owner else []
    return ", ".join(parts)


def _to_restore(component: Component, state: NodeState) -> dict[str, Entry]:
    """What stood at our paths before and is not there again yet."""
    return {
        path: entry
        for path, entry in component.before.items()
        if path in component.files and state.entries.get(path) != entry and entry.kind != "directory"
    }


def _is_lost(entry: Entry, state: NodeState) -> bool:
    return entry.kind == "file" and entry.sha256 not in state.kept


def plan(
    manifest: Manifest, state: NodeState, name: str, *, used: Collection[str] = (), data_dir: str = OWN
) -> ComponentPlan:
    """What removing one component changes; to be asked only where :func:`refusals` has nothing to say.

    Another component of ours that needs a package or has the same file keeps it, even if it goes in the same run.

    :param used: data folders that hold something which is not wslgpu's, and stay
    """
    component = manifest.components[name]
    others = {other: one for other, one in manifest.components.items() if other != name}
    left_files = {path: other for other, one in others.items() for path in component.files if path in one.files}
    files = {path: entry for path, entry in component.files.items() if path not in left_files}
    claims = _claims(name)
    edited = changed_by_hand(manifest, name, state, data_dir)
    restore = {path: entry for path, entry in _to_restore(component, state).items() if path in files}
    lost = {path for path, entry in restore.items() if _is_lost(entry, state)}
    delete: dict[str, str] = {}
    for path, entry in files.items():
        now = state.entries.get(path)
        if now is None or entry.kind == "directory" or now == component.before.get(path) or path in edited:
            continue
        if path not in restore or path in lost:
            delete[path] = now.sha256 if entry.sha256 and not claims.lives(path, data_dir) else ""
    folders = [path for path, entry in files.items() if entry.kind == "directory" and path not in component.before]
    folders += [path for path in _by_itself(component, claims, state) if path not in left_files]
    data = [path for path in data_folders(manifest, state, name) if path not in left_files]
    purge, left_packages, stays = _packages(manifest, state, name)
    if component.unknown_before:
        stays.append("what was here before it is not known: only what is marked as wslgpu's goes, and no package")
    stays += [f"{path} ends empty: the copy of what stood there is gone" for path in sorted(lost)]
    stays += [f"{path} was changed by hand, and is kept as {path}{EDITED}" for path in sorted(edited)]
    own_packages = [one for one, package in component.packages.items() if not package.before]
    whole = set(own_packages) - left_packages.keys() <= set(purge) | (set(own_packages) - _there(state))
    stays += [f"{path} stays: it holds data of what ran here (--data removes it)" for path in data if path in used]
    data = [path for path in data if path not in used and whole]
    theirs = {image for one in others.values() for image in one.images}
    images = {
        image: one for image, one in component.images.items() if state.images.get(image) == one and image not in theirs
    }
    return ComponentPlan(
        component=name,
        aside=tuple(sorted(edited)),
        images=images,
        stop=_units_to_stop(component, state, packages_go=whole and bool(own_packages)),
        unit_states={
            unit: one.before
            for unit, one in component.units.items()
            if one.before in ("enabled", "disabled", "masked")
            and state.units.get(unit, "absent") not in (one.before, "absent")
        },
        release=tuple(one for one in component.holds if one in state.packages and state.packages[one].held),
        purge=purge,
        restore={path: entry for path, entry in restore.items() if path not in lost},
        delete=delete,
        data=tuple(data),
        folders=tuple(sorted(folders, key=lambda path: (-path.count("/"), path))),
        users={one: number for one, number in component.users.items() if whole and state.users.get(one) == number},
        groups={one: number for one, number in component.groups.items() if whole and state.groups.get(one) == number},
        stays=tuple(stays),
        left_packages=left_packages,
        left_files=left_files,
    )


def _there(state: NodeState) -> set[str]:
    return set(package_rules.there(state.packages))


def _units_to_stop(component: Component, state: NodeState, *, packages_go: bool) -> tuple[str, ...]:
    """Units that came with the component and go: our own files', and the packages' where all of these go."""
    names = {path.rpartition("/")[2] for path in component.files}
    return tuple(
        unit
        for unit, one in component.units.items()
        if one.before == "absent" and state.units.get(unit, "absent") != "absent" and (packages_go or unit in names)
    )


def _packages(manifest: Manifest, state: NodeState, name: str) -> tuple[tuple[str, ...], dict[str, str], list[str]]:
    """What is purged, what belongs to another component from now on, and what stays for whom."""
    component = manifest.components[name]
    owners = {one: other for other, c in manifest.components.items() if other != name for one in c.packages}
    installed = package_rules.there(state.packages)
    stays: list[str] = []
    going: list[str] = []
    left: dict[str, str] = {}
    for one, package in component.packages.items():
        now = installed.get(one)
        if package.before and now is not None and now.version != package.before:
            stays.append(f"the package {one} stays at {now.version}; before wslgpu it was {package.before}")
        if package.before or (now is None and one not in state.packages):
            continue
        if now is not None and package.automatic and not now.automatic:
            stays.append(f"the package {one} stays: somebody has marked it as wanted since (apt-mark manual)")
        elif now is not None and now.held and one not in component.holds and not _holds(manifest, one):
            stays.append(f"the package {one} stays: somebody holds it (apt-mark hold)")
        elif one in owners:
            left[one] = owners[one]
        else:
            going.append(one)
    kept = package_rules.kept_by(going, state.packages)
    for one, keeper in kept.items():
        if owner := owners.get(keeper) or left.get(keeper):
            left[one] = owner
        else:
            stays.append(f"the package {one} stays: {keeper} needs or recommends it")
    return tuple(sorted(set(going) - kept.keys())), left, stays


def _holds(manifest: Manifest, package: str) -> bool:
    return any(package in component.holds for component in manifest.components.values())


def changed(manifest: Manifest, plan_: ComponentPlan, stamp: Stamp, *, done: bool) -> Manifest:
    """The manifest before and after a component is removed: marked as ``removing``, then without it.

    What stays because another component needs it is that one's from then on, so that it goes with it.

    :param done: the component is gone
    """
    components = dict(manifest.components)
    gone = components[plan_.component]
    if done:
        del components[plan_.component]
        for one, owner in plan_.left_packages.items():
            packages: dict[str, Package] = {**components[owner].packages, one: gone.packages[one]}
            components[owner] = components[owner].model_copy(update={"packages": packages})
        for path, owner in plan_.left_files.items():
            files = {**components[owner].files, path: gone.files[path]}
            before = dict(components[owner].before)
            if path in gone.before:
                before.setdefault(path, gone.before[path])
            components[owner] = components[owner].model_copy(update={"files": files, "before": before})
    else:
        components[plan_.component] = gone.model_copy(update={"state": "removing", "begun": None})
    return manifest.model_copy(
        update={
            "components": components,
            "serial": manifest.serial + 1,
            "at": stamp.at,
            "by": stamp.by,
            "tool_version": stamp.tool_version,
        }
    )


def data_folders(manifest: Manifest, state: NodeState, name: str) -> tuple[str, ...]:
    """Where what a component runs keeps its data, as far as the folders came with it and are there."""
    component, claims = manifest.components[name], _claims(name)
    came = {*component.files, *_by_itself(component, claims, state)} - component.before.keys()
    return tuple(path for path in claims.data if path in came and path in state.entries)


def _by_itself(component: Component, claims: Claims, state: NodeState) -> list[str]:
    """Folders that a component's own packages made since."""
    if not brought(component):
        return []
    there = (path for path in claims.by_itself if path in state.entries and path not in component.before)
    return [path for path in there if state.entries[path].kind == "directory"]


def unneeded_copies(manifest: Manifest, state: NodeState) -> tuple[str, ...]:
    """What is kept of what stood before, and no component names any more.

    Where a manifest was lost, a copy that none names may be what stood before a component that is gone.
    """
    if manifest.unknown_before:
        return ()
    named = {entry.sha256 for one in manifest.components.values() for entry in one.before.values()}
    named |= {digest for one in manifest.components.values() for digest in one.edited.values()}
    return tuple(sorted(state.kept - named))


def traces(state: NodeState) -> tuple[str, ...]:
    """Paths that only wslgpu makes: a node without a manifest that has some was provisioned."""
    own = [path for path in state.entries if "wslgpu" in path and path != MANIFEST.rpartition("/")[0]]
    return tuple(sorted(own))
