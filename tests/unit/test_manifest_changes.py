"""What a manifest says before and after a component: values in, values out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wslgpu.manifest.ask import Ask, Stamp
from wslgpu.manifest.changes import Begin, begin, record
from wslgpu.manifest.model import Component, Entry, Image, Manifest
from wslgpu.manifest.state import InstalledPackage, NodeState

FIRST, SECOND = Stamp("2026-01-01T00:00:00Z", "a@b", "1.0"), Stamp("2026-01-02T00:00:00Z", "c@d", "1.0")
THEIRS, OURS, EDITED, NEXT = ("1" * 64, "2" * 64, "3" * 64, "4" * 64)
CONFIG, SPEC, CDI = "/etc/containerd/config.toml", "/etc/cdi/nvidia.yaml", "/etc/cdi"
DIGEST = "sha256:" + "d" * 64


def file(sha256: str = OURS, mode: str = "644", owner: str = "root:root") -> Entry:
    return Entry(kind="file", mode=mode, owner=owner, sha256=sha256)


FOLDER = Entry(kind="directory", mode="755", owner="root:root")


def node(entries: dict[str, Entry] | None = None, **values: Any) -> NodeState:
    return NodeState(distribution="debian 13", now="", manifest=None, entries=entries or {}, **values)


def ask(component: str = "containerd", **values: Any) -> Ask:
    fields = {"settings": "a" * 64, "lock": "", "data_dir": "/var/lib/wslgpu", "packages": frozenset({"containerd"})}
    return Ask(**{"component": component, **fields, **values})


def packages(**versions: str) -> dict[str, InstalledPackage]:
    return {name: InstalledPackage(version, "installed") for name, version in versions.items()}


def applied(earlier: NodeState, now: NodeState, asked: Ask | None = None, manifest: Manifest | None = None) -> Manifest:
    """A component whose operations made ``now`` of ``earlier``."""
    begun = begin(manifest, asked or ask(), earlier, FIRST)
    assert begun.manifest is not None
    kept = earlier.kept | {sha256 for _, sha256 in begun.keep}
    done = record(begun.manifest, asked or ask(), replace(earlier, kept=kept), replace(now, kept=kept), FIRST)
    assert done is not None
    return done


def only(manifest: Manifest | None, name: str = "containerd") -> Component:
    assert manifest is not None
    return manifest.components[name]


def test_a_new_file_is_ours_and_stood_for_nothing() -> None:
    component = only(applied(node(), node({CONFIG: file()})))
    assert component.files == {CONFIG: file()}
    assert component.before == {}
    assert (component.state, component.begun, component.unknown_before) == ("applied", None, False)


def test_what_stood_there_is_kept_by_its_hash_before_anything_is_changed() -> None:
    begun = begin(None, ask(), node({CONFIG: file(THEIRS, "600", "a:b")}), FIRST)
    assert begun.keep == ((CONFIG, THEIRS),)
    assert only(begun.manifest).state == "applying"
    component = only(applied(node({CONFIG: file(THEIRS, "600", "a:b")}), node({CONFIG: file()})))
    assert component.files == {CONFIG: file()}
    assert component.before == {CONFIG: file(THEIRS, "600", "a:b")}


def test_what_was_as_it_should_be_already_is_somebody_elses() -> None:
    there = node({CONFIG: file(THEIRS), "/etc/containerd": FOLDER})
    component = only(applied(there, there))
    assert component.files == component.before == {}


def test_a_mode_alone_is_a_change() -> None:
    component = only(applied(node({CONFIG: file(mode="600")}), node({CONFIG: file()})))
    assert component.before == {CONFIG: file(mode="600")}


def test_the_earliest_before_stays_however_often_it_is_applied() -> None:
    manifest = applied(node({CONFIG: file(THEIRS)}), node({CONFIG: file()}))
    again = applied(node({CONFIG: file()}), node({CONFIG: file(NEXT)}), ask(settings="b" * 64), manifest)
    assert only(again).before == {CONFIG: file(THEIRS)}
    assert only(again).files == {CONFIG: file(NEXT)}
    assert only(again).edited == {}
    assert again.serial == 4


def test_applied_again_with_nothing_to_change_writes_nothing() -> None:
    now = node(
        {CONFIG: file(), "/etc/containerd": FOLDER},
        packages=packages(containerd="1.7"),
        units={"containerd.service": "enabled"},
        kept=frozenset({THEIRS}),
    )
    manifest = applied(node({CONFIG: file(THEIRS)}, packages=packages(bash="5")), now)
    assert begin(manifest, ask(), now, SECOND) == Begin()
    assert record(manifest, ask(), now, now, SECOND) is None


@pytest.mark.parametrize(
    "asked",
    [ask(settings="b" * 64), ask(lock=DIGEST)],
    ids=["settings", "lock"],
)
def test_what_is_asked_for_otherwise_is_begun_again(asked: Ask) -> None:
    now = node({CONFIG: file()})
    assert begin(applied(node(), now), asked, now, SECOND).manifest is not None


def test_another_version_of_the_tool_begins_again() -> None:
    now = node({CONFIG: file()})
    assert begin(applied(node(), now), ask(), now, replace(SECOND, tool_version="1.1")).manifest is not None


@pytest.mark.parametrize(
    "drifted",
    [
        node(packages=packages(containerd="1.7"), units={"containerd.service": "enabled"}),
        node({CONFIG: file(mode="600")}, packages=packages(containerd="1.7"), units={"containerd.service": "enabled"}),
        node({CONFIG: file()}, packages=packages(containerd="1.8"), units={"containerd.service": "enabled"}),
        node({CONFIG: file()}, units={"containerd.service": "enabled"}),
        node({CONFIG: file()}, packages=packages(containerd="1.7"), units={"containerd.service": "masked"}),
    ],
    ids=["file gone", "mode", "version", "package gone", "unit"],
)
def test_what_drifted_is_begun_again(drifted: NodeState) -> None:
    now = node({CONFIG: file()}, packages=packages(containerd="1.7"), units={"containerd.service": "enabled"})
    manifest = applied(node(), now)
    assert begin(manifest, ask(), now, SECOND) == Begin()
    assert begin(manifest, ask(), drifted, SECOND).manifest is not None


def test_cut_off_and_begun_again_it_still_knows_what_there_was() -> None:
    before = node({CONFIG: file(THEIRS)}, packages=packages(bash="5"), users={"root": 0}, groups={"root": 0})
    begun = begin(None, ask(), before, FIRST)
    half = node(
        {CONFIG: file(), "/etc/containerd/certs.d/x/hosts.toml": file(NEXT)},
        packages=packages(bash="5", containerd="1.7"),
        users={"root": 0, "new": 999},
        groups={"root": 0},
        kept=frozenset({THEIRS}),
    )
    again = begin(begun.manifest, ask(), half, SECOND)
    assert again.keep == (), "what the run that was cut off had written is nobody else's"
    assert again.manifest is not None
    done = only(record(again.manifest, ask(), half, half, SECOND))
    assert done.before == {CONFIG: file(THEIRS)}
    assert set(done.files) == {CONFIG, "/etc/containerd/certs.d/x/hosts.toml"}
    assert {name: package.before for name, package in done.packages.items()} == {"containerd": ""}
    assert done.users == {"new": 999}


def test_what_somebody_installed_after_a_run_that_failed_is_theirs() -> None:
    """What came as a dependency, or is asked for, is ours; accounts and units of that time may be theirs."""
    begun = begin(None, ask(), node(packages=packages(bash="5")), FIRST)
    there = {**packages(bash="5", containerd="1.7", strace="6"), "runc": InstalledPackage("1", "installed", True)}
    units = {"containerd.service": "enabled", "theirs.service": "enabled"}
    between = node(packages=there, units=units, users={"new": 999}, groups={"new": 999})
    again = begin(begun.manifest, ask(), between, SECOND)
    assert again.manifest is not None
    after = replace(between, packages={**there, **packages(tool="1")}, users={"new": 999, "late": 998})
    done = only(record(again.manifest, ask(), between, after, SECOND))
    assert set(done.packages) == {"containerd", "runc", "tool"}
    assert (set(done.units), set(done.users), done.groups) == ({"containerd.service"}, {"late"}, {})
    # removal asks the same, with nothing in between
    at_once = only(record(again.manifest, ask(), between, between, SECOND))
    assert set(at_once.packages) == {"containerd", "runc"}


def test_what_a_program_makes_by_itself_is_not_recorded_whenever_it_comes() -> None:
    cni, config = "/etc/cni", {CONFIG: file()}
    brought = packages(containerd="1.7")
    early = applied(node(), node({**config, cni: FOLDER}, packages=brought))
    late = applied(node(), node(config, packages=brought))
    assert early == late
    assert set(only(early).files) == {CONFIG}
    # it is no stranger's when all is applied again, for whatever reason
    now = node({**config, cni: FOLDER}, packages=brought)
    assert begin(late, ask(), now, SECOND) == Begin()
    assert record(late, ask(), now, now, SECOND) is None
    assert only(applied(now, now, ask(settings="b" * 64), late)).before == {}
    # what was there before stays known, and so does what packages of somebody else's have made
    stood = node({cni: FOLDER})
    assert only(applied(stood, now)).before == {cni: FOLDER}
    theirs = node({cni: FOLDER}, packages=brought)
    assert only(applied(theirs, replace(now, packages=brought))).before == {cni: FOLDER}


def test_words_of_others_stay_known_when_the_lock_moves() -> None:
    manifest = applied(node(), node({CONFIG: file()}))
    by_hand = node({CONFIG: file(EDITED)}, kept=frozenset({EDITED}))
    locked = applied(by_hand, by_hand, ask(lock=DIGEST), manifest)
    assert (only(locked).files, only(locked).edited, only(locked).lock) == ({CONFIG: file()}, {}, DIGEST)
    assert begin(locked, ask(lock=DIGEST), by_hand, SECOND) == Begin()
    assert record(locked, ask(lock=DIGEST), by_hand, by_hand, SECOND) is None


def test_once_unknown_what_stood_before_stays_so() -> None:
    marked = "/etc/systemd/system/containerd.service.d/50-wslgpu-proxy.conf"
    rebuilt = applied(node({marked: file()}), node({marked: file()}))
    assert rebuilt.unknown_before
    assert applied(node(), node(), ask("base"), rebuilt).unknown_before
    assert not applied(node(), node()).unknown_before


def test_changed_by_hand_and_left_so_by_us_is_recorded_as_we_wrote_it() -> None:
    """Their words may be in it: removal has to see that it is not ours alone."""
    manifest = applied(node({CONFIG: file(THEIRS)}), node({CONFIG: file()}))
    by_hand = node({CONFIG: file(EDITED)}, kept=frozenset({THEIRS}))
    begun = begin(manifest, ask(), by_hand, SECOND)
    assert begun.keep == ((CONFIG, EDITED),)
    assert begun.manifest is not None
    now = replace(by_hand, kept=frozenset({THEIRS, EDITED}))
    done = record(begun.manifest, ask(), now, now, SECOND)
    assert only(done).files == {CONFIG: file()}
    assert only(done).edited == {}
    assert done is not None
    assert begin(done, ask(), now, SECOND) == Begin(), "it is told once, and not at every run"
    assert record(done, ask(), now, now, SECOND) is None


def test_changed_by_hand_and_put_back_is_as_it_was() -> None:
    manifest = applied(node(), node({CONFIG: file()}))
    begun = begin(manifest, ask(), node({CONFIG: file(EDITED)}), SECOND)
    assert begun.manifest is not None
    assert only(begun.manifest).edited == {CONFIG: EDITED}
    done = record(begun.manifest, ask(), node({CONFIG: file(EDITED)}), node({CONFIG: file()}), SECOND)
    assert only(done).files == {CONFIG: file()}
    assert only(done).edited == {}


def test_changed_by_hand_and_again_by_us_may_hold_their_words() -> None:
    manifest = applied(node({CONFIG: file(THEIRS)}), node({CONFIG: file()}))
    done = applied(node({CONFIG: file(EDITED)}), node({CONFIG: file(NEXT)}), ask(settings="b" * 64), manifest)
    assert only(done).files == {CONFIG: file(NEXT)}
    assert only(done).edited == {CONFIG: EDITED}
    assert only(done).before == {CONFIG: file(THEIRS)}
    # and still does in later runs, whether they have something to change or not
    now = node({CONFIG: file(NEXT)}, kept=frozenset({THEIRS, EDITED}))
    assert begin(done, ask(settings="b" * 64), now, SECOND) == Begin()
    assert record(done, ask(settings="b" * 64), now, now, SECOND) is None
    assert only(applied(now, now, ask(settings="c" * 64), done)).edited == {CONFIG: EDITED}
    put_back = applied(node({CONFIG: file("5" * 64)}), now, ask(settings="b" * 64), done)
    assert only(put_back).edited == {CONFIG: EDITED}


def test_a_place_of_ours_that_is_empty_now_is_not_ours_any_more() -> None:
    manifest = applied(node(), node({CONFIG: file(), SPEC: file()}))
    assert only(applied(node({CONFIG: file()}), node(), ask(settings="b" * 64), manifest)).files == {}


def test_a_shared_place_belongs_to_the_first_and_is_kept_in_step_by_the_second() -> None:
    """Both containerd and the toolkit write containerd's configuration."""
    manifest = applied(node({CONFIG: file(THEIRS)}), node({CONFIG: file()}))
    second = ask("container_toolkit")
    begun = begin(manifest, second, node({CONFIG: file()}), SECOND)
    assert begun.keep == ()
    assert begun.manifest is not None
    done = record(begun.manifest, second, node({CONFIG: file()}), node({CONFIG: file(NEXT)}), SECOND)
    assert only(done).files == {CONFIG: file(NEXT)}
    assert only(done).before == {CONFIG: file(THEIRS)}
    assert only(done, "container_toolkit").files == {}


def test_what_all_that_install_packages_write_has_one_home() -> None:
    """Whichever of them wrote it last, and were it cut off between: the manifest ends the same."""
    lists = "/var/lib/wslgpu/apt-lists"
    manifest = applied(node(), node(), ask("base"))
    done = applied(node(), node({lists: file()}), ask("containerd"), manifest)
    assert only(done, "base").files == {lists: file("")}
    assert only(done).files == {}
    alone = applied(node(), node({lists: file()}), ask("containerd"))
    assert only(alone).files == {lists: file("")}


def test_what_runs_makes_some_files_anew() -> None:
    toolkit = ask("container_toolkit")
    now = node({CDI: FOLDER, SPEC: file()})
    manifest = applied(node(), now, toolkit)
    assert only(manifest, "container_toolkit").files == {CDI: FOLDER, SPEC: file("")}
    later = node({CDI: FOLDER, SPEC: file(NEXT)})
    gone = node({CDI: FOLDER})
    for one in (later, gone):
        assert begin(manifest, toolkit, one, SECOND) == Begin()
        assert record(manifest, toolkit, one, one, SECOND) is None
    # where our own operations take it away, it is not ours any more
    absent = applied(now, gone, replace(toolkit, settings="b" * 64), manifest)
    assert only(absent, "container_toolkit").files == {CDI: FOLDER}


def test_packages_by_what_there_was() -> None:
    earlier = node(packages=packages(bash="5", curl="7"))
    there = packages(bash="5", curl="8", containerd="1.7")
    there["runc"] = InstalledPackage("1.1", "installed", automatic=True)
    there["gone"] = InstalledPackage("1", "config-files")
    component = only(applied(earlier, node(packages=there)))
    assert {name: (one.before, one.version, one.automatic) for name, one in component.packages.items()} == {
        "containerd": ("", "1.7", False),
        "curl": ("7", "8", False),
        "runc": ("", "1.1", True),
    }


def test_a_package_of_another_component_stays_with_it() -> None:
    manifest = applied(node(), node(packages=packages(runc="1.1")))
    done = applied(
        node(packages=packages(runc="1.1")), node(packages=packages(runc="1.2")), ask("kubernetes"), manifest
    )
    assert only(done).packages["runc"].version == "1.2"
    assert only(done, "kubernetes").packages == {}


def test_holds_users_groups_and_units_that_came() -> None:
    earlier = node(
        packages={"a": InstalledPackage("1", "installed", held=True), "b": InstalledPackage("1", "installed")},
        users={"root": 0},
        groups={"root": 0},
        units={"containerd.service": "absent", "ssh.service": "enabled", "old.service": "enabled"},
    )
    now = node(
        packages={name: InstalledPackage("1", "installed", held=True) for name in "ab"},
        users={"root": 0, "kubelet": 998},
        groups={"root": 0, "kubelet": 997},
        units={"containerd.service": "enabled", "ssh.service": "enabled", "podman.socket": "enabled"},
    )
    component = only(applied(earlier, now))
    assert component.holds == ["b"]
    assert (component.users, component.groups) == ({"kubelet": 998}, {"kubelet": 997})
    assert {name: (one.before, one.state) for name, one in component.units.items()} == {
        "containerd.service": ("absent", "enabled"),
        "podman.socket": ("absent", "enabled"),
        "old.service": ("enabled", "disabled"),
    }


def test_images_that_were_asked_for_and_came() -> None:
    asked = ask("cuda_images", images=("r:1", "r:2"))
    here = Image(namespace="k8s.io", digest=DIGEST)
    manifest = applied(node(images={"r:1": here}), node(images=dict.fromkeys(("r:1", "r:2", "pod:3"), here)), asked)
    assert only(manifest, "cuda_images").images == {"r:2": here}
    # the data name others by now: what is still there is still ours
    later = ask("cuda_images", settings="b" * 64, images=("r:9",))
    both = node(images=dict.fromkeys(("r:2", "r:9"), here))
    done = applied(node(images={"r:2": here}), both, later, manifest)
    assert set(only(done, "cuda_images").images) == {"r:2", "r:9"}


def test_artifacts_are_recorded_by_their_digest() -> None:
    done = applied(node(), node(artifacts={"ffmpeg": DIGEST, "mesa-dozen": DIGEST}), ask("ffmpeg"))
    assert only(done, "ffmpeg").artifacts == {"ffmpeg": DIGEST}


def test_without_a_manifest_on_a_provisioned_node_only_what_is_marked_is_ours() -> None:
    """Its name says it, or its first line; what stood before cannot be known."""
    marked = "/etc/systemd/system/containerd.service.d/50-wslgpu-proxy.conf"
    hosts = "/etc/containerd/certs.d/docker.io/hosts.toml"
    there = node({marked: file(), hosts: file(), CONFIG: file()}, made=frozenset({hosts}))
    begun = begin(None, ask(), there, FIRST)
    assert begun.unknown
    assert begun.keep == ((CONFIG, OURS),)
    assert begun.manifest is not None
    done = only(record(begun.manifest, ask(), there, there, FIRST))
    assert set(done.files) == {marked, hosts}
    assert done.before == {}
    assert done.unknown_before


def test_the_folder_of_our_records_is_no_sign_of_an_earlier_run() -> None:
    assert not begin(None, ask("base"), node({"/var/lib/wslgpu": FOLDER}), FIRST).unknown


def test_credentials_of_somebody_elses_are_not_copied() -> None:
    token = "/etc/kubernetes/bootstrap-kubelet.conf"
    assert begin(None, ask("kubernetes"), node({token: file()}), FIRST).keep == ()
