"""What removing a component changes, and what stands in its way: values in, values out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from wslgpu import video_cdi
from wslgpu.errors import UsageError
from wslgpu.manifest.ask import Stamp
from wslgpu.manifest.model import Component, Entry, Image, Manifest, Package, Unit
from wslgpu.manifest.state import InstalledPackage, NodeState
from wslgpu.project import PROJECT_ROOT
from wslgpu.removal import order
from wslgpu.removal.plan import EDITED, changed, changed_by_hand, plan, refusals, traces, unneeded_copies

OURS, BEFORE, OTHER = "a" * 64, "b" * 64, "c" * 64
PATH = "/etc/containerd/config.toml"
AT = "2026-01-01T00:00:00Z"
DIGEST = "sha256:" + "d" * 64


def file(sha256: str = OURS, mode: str = "644", owner: str = "root:root") -> Entry:
    return Entry(kind="file", mode=mode, owner=owner, sha256=sha256)


def component(**values: Any) -> Component:
    return Component(**{"state": "applied", "at": AT, "tool_version": "1", "settings": "0" * 64, **values})


def manifest(**components: Component) -> Manifest:
    return Manifest(serial=4, tool_version="1", at=AT, by="who@where", components=components)


def node(**values: Any) -> NodeState:
    return NodeState(**{"distribution": "debian 13", "now": AT, "manifest": "", **values})


def installed(version: str = "1", **values: Any) -> InstalledPackage:
    return InstalledPackage(version, values.pop("status", "installed"), **values)


def test_the_order_is_that_of_the_deploy_backwards() -> None:
    calls = re.findall(r"^ *([a-z_]+)\(_sudo=sudo\)", (PROJECT_ROOT / "deploy.py").read_text(), re.MULTILINE)
    assert [name for name in calls if name != "preflight"] == list(order.APPLIED)
    assert order.chosen([]) == tuple(reversed(order.APPLIED))
    assert order.chosen(["containerd", "ffmpeg"]) == ("ffmpeg", "containerd")
    with pytest.raises(UsageError, match="no component 'preflight'"):
        order.chosen(["preflight"])


def test_what_is_needed_comes_before_what_needs_it() -> None:
    for one, needs in order.NEEDS.items():
        assert all(order.APPLIED.index(need) < order.APPLIED.index(one) for need in needs)


def test_a_file_of_ours_goes_and_what_stood_there_comes_back() -> None:
    both = component(files={PATH: file(), "/etc/new": file()}, before={PATH: file(BEFORE, "600", "a:b")})
    state = node(entries={PATH: file(), "/etc/new": file()}, kept=frozenset({BEFORE}))
    made = plan(manifest(containerd=both), state, "containerd")
    assert (made.restore, made.delete) == ({PATH: file(BEFORE, "600", "a:b")}, {"/etc/new": OURS})
    assert refusals(manifest(containerd=both), state, ["containerd"], force=False) == []


def test_what_is_done_already_is_not_done_again() -> None:
    one = component(state="removing", files={PATH: file(), "/etc/new": file()}, before={PATH: file(BEFORE)})
    state = node(entries={PATH: file(BEFORE)}, kept=frozenset())
    made = plan(manifest(containerd=one), state, "containerd")
    assert (made.restore, made.delete, made.aside) == ({}, {}, ())
    assert refusals(manifest(containerd=one), state, ["containerd"], force=False) == []


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (file(OTHER), "content"),
        (file(mode="600"), "mode 644 is 600"),
        (file(OTHER, "600", "lab:lab"), "content, mode 644 is 600, owner root:root is lab:lab"),
        (Entry(kind="link", owner="root:root", target="/home/lab/x"), "is a link to /home/lab/x now"),
        (Entry(kind="directory", mode="755", owner="root:root"), "is a folder now"),
    ],
)
def test_what_was_changed_by_hand_is_refused_and_with_force_kept_beside(now: Entry, words: str) -> None:
    known = manifest(containerd=component(files={PATH: file()}, before={PATH: file(BEFORE)}))
    state = node(entries={PATH: now}, kept=frozenset({BEFORE}))
    [refusal] = refusals(known, state, ["containerd"], force=False)
    assert refusal.error_class == "safety"
    assert f"{PATH} ({words})" in refusal.what
    assert EDITED in refusal.next_step
    assert refusals(known, state, ["containerd"], force=True) == []
    made = plan(known, state, "containerd")
    assert (made.aside, made.restore, made.delete) == ((PATH,), {PATH: file(BEFORE)}, {})
    assert f"{PATH} was changed by hand, and is kept as {PATH}{EDITED}" in made.stays


def test_all_edited_files_are_listed_at_once() -> None:
    known = manifest(
        base=component(files={"/etc/a": file(), "/etc/b": file()}), containerd=component(files={PATH: file()})
    )
    state = node(entries=dict.fromkeys(("/etc/a", "/etc/b", PATH), file(OTHER)))
    [refusal] = refusals(known, state, ["containerd", "base"], force=False)
    assert all(path in refusal.what for path in ("/etc/a", "/etc/b", PATH))
    assert [r.what for r in refusals(known, state, ["containerd"], force=False)] == [
        f"changed by hand since wslgpu wrote them: {PATH} (content)"
    ]


def test_a_spec_that_the_node_made_anew_is_no_edit_but_a_link_in_its_place_is() -> None:
    known = manifest(video_cdi=component(files={video_cdi.SPEC: file()}))
    state = node(entries={video_cdi.SPEC: file(OTHER)})
    assert changed_by_hand(known, "video_cdi", state) == {}
    assert plan(known, state, "video_cdi").delete == {video_cdi.SPEC: ""}
    link = Entry(kind="link", owner="root:root", target="/dev/null")
    state = node(entries={video_cdi.SPEC: link})
    assert changed_by_hand(known, "video_cdi", state) == {video_cdi.SPEC: "is a link to /dev/null now"}


def test_a_lost_copy_is_refused_and_with_force_nothing_stands_there() -> None:
    known = manifest(containerd=component(files={PATH: file()}, before={PATH: file(BEFORE)}))
    state = node(entries={PATH: file()})
    [refusal] = refusals(known, state, ["containerd"], force=False)
    assert refusal.error_class == "integrity"
    made = plan(known, state, "containerd")
    assert (made.restore, made.delete) == ({}, {PATH: OURS})
    assert any("the copy of what stood there is gone" in text for text in made.stays)


def test_a_component_that_another_needs_is_refused_and_both_together_go() -> None:
    known = manifest(containerd=component(), container_toolkit=component(), cuda_images=component())
    [refusal] = refusals(known, node(), ["containerd"], force=True)
    assert "containerd is needed by cuda_images, container_toolkit" in refusal.what
    assert "wslgpu remove cuda_images container_toolkit containerd" in refusal.next_step
    assert refusals(known, node(), order.chosen([]), force=False) == []


def test_folders_go_deepest_first_and_one_that_was_there_stays() -> None:
    folder = Entry(kind="directory", mode="755", owner="root:root")
    one = component(files=dict.fromkeys(("/a", "/a/b/c", "/a/b", "/z"), folder), before={"/z": folder})
    assert plan(manifest(base=one), node(), "base").folders == ("/a/b/c", "/a/b", "/a")


def test_packages_that_were_there_before_stay() -> None:
    one = component(
        packages={
            "new": Package(version="2"),
            "newer": Package(version="2", before="1"),
            "same": Package(version="1", before="1"),
        }
    )
    state = node(packages={"new": installed("2"), "newer": installed("2"), "same": installed("1")})
    made = plan(manifest(base=one), state, "base")
    assert made.purge == ("new",)
    assert made.stays == ("the package newer stays at 2; before wslgpu it was 1",)


def test_packages_that_others_need_or_want_stay_and_are_named() -> None:
    one = component(
        packages={
            name: Package(version="1", automatic=name == "marked") for name in ("needed", "held", "marked", "own")
        },
        holds=["own"],
    )
    state = node(
        packages={
            "needed": installed(),
            "held": installed(held=True),
            "marked": installed(automatic=False),
            "own": installed(held=True),
            "theirs": installed(depends="needed"),
        }
    )
    made = plan(manifest(base=one), state, "base")
    assert (made.purge, made.release) == (("own",), ("own",))
    assert [text.split(" stays")[0] for text in made.stays] == [
        f"the package {n}" for n in ("held", "marked", "needed")
    ]
    assert "theirs needs or recommends it" in made.stays[-1]


def test_what_another_component_of_ours_needs_is_that_ones_from_then_on() -> None:
    known = manifest(
        base=component(packages={"curl": Package(version="1"), "lib": Package(version="1", automatic=True)}),
        ffmpeg=component(packages={"tool": Package(version="1")}),
    )
    state = node(
        packages={
            "curl": installed(),
            "lib": installed(automatic=True),
            "tool": installed(depends="curl"),
        }
    )
    made = plan(known, state, "base")
    assert (made.purge, dict(made.left_packages), made.stays) == (("lib",), {"curl": "ffmpeg"}, ())
    after = changed(known, made, Stamp(AT, "me@here", "2"), done=True)
    assert set(after.components["ffmpeg"].packages) == {"curl", "tool"}
    assert "base" not in after.components
    state_then = node(packages={"curl": installed(), "tool": installed(depends="curl")})
    assert plan(after, state_then, "ffmpeg").purge == ("curl", "tool")


def test_a_file_of_two_components_goes_with_the_last() -> None:
    known = manifest(
        containerd=component(files={PATH: file(OTHER)}, before={PATH: file(BEFORE)}),
        container_toolkit=component(files={PATH: file()}),
    )
    state = node(entries={PATH: file()}, kept=frozenset({BEFORE}))
    assert refusals(known, state, order.chosen([]), force=False) == []
    made = plan(known, state, "container_toolkit")
    assert (made.delete, made.restore, dict(made.left_files)) == ({}, {}, {PATH: "containerd"})
    after = changed(known, made, Stamp(AT, "me@here", "2"), done=True)
    assert refusals(after, state, ["containerd"], force=False) == []
    assert plan(after, state, "containerd").restore == {PATH: file(BEFORE)}


def test_units_of_ours_stop_and_others_get_their_state_back() -> None:
    one = component(
        files={"/etc/systemd/system/wslgpu-cdi.path": file()},
        packages={"p": Package(version="1")},
        units={
            "wslgpu-cdi.path": Unit(state="enabled", before="absent"),
            "p.service": Unit(state="enabled", before="absent"),
            "theirs.service": Unit(state="masked", before="enabled"),
            "gone.service": Unit(state="enabled", before="disabled"),
        },
    )
    units = {"wslgpu-cdi.path": "enabled", "p.service": "enabled", "theirs.service": "masked"}
    made = plan(manifest(video_cdi=one), node(units=units, packages={"p": installed()}), "video_cdi")
    assert set(made.stop) == {"wslgpu-cdi.path", "p.service"}
    assert made.unit_states == {"theirs.service": "enabled"}
    kept = {"p": installed(), "x": installed(depends="p")}
    assert plan(manifest(video_cdi=one), node(units=units, packages=kept), "video_cdi").stop == ("wslgpu-cdi.path",)


def test_accounts_go_only_with_the_number_that_they_came_with_and_with_their_package() -> None:
    one = component(packages={"p": Package(version="1")}, users={"svc": 990, "other": 991}, groups={"svc": 990})
    state = node(packages={"p": installed()}, users={"svc": 990, "other": 1000}, groups={"svc": 990})
    made = plan(manifest(base=one), state, "base")
    assert (made.users, made.groups) == ({"svc": 990}, {"svc": 990})
    kept = node(packages={"p": installed(), "x": installed(depends="p")}, users={"svc": 990}, groups={"svc": 990})
    made = plan(manifest(base=one), kept, "base")
    assert (made.users, made.groups) == ({}, {})


def test_only_images_that_are_still_ours_go() -> None:
    ours, theirs = Image(namespace="k8s.io", digest=DIGEST), Image(namespace="k8s.io", digest="sha256:" + "e" * 64)
    one = component(images={"r:1": ours, "r:2": ours, "r:3": ours})
    made = plan(manifest(cuda_images=one), node(images={"r:1": ours, "r:2": theirs}), "cuda_images")
    assert made.images == {"r:1": ours}


def test_the_manifest_says_removing_and_then_nothing() -> None:
    known = manifest(base=component(), wsl=component())
    made = plan(known, node(), "base")
    begun = changed(known, made, Stamp("2026-02-02T00:00:00Z", "me@here", "2"), done=False)
    assert begun.components["base"].state == "removing"
    assert (begun.serial, begun.by, begun.tool_version, begun.at) == (5, "me@here", "2", "2026-02-02T00:00:00Z")
    ended = changed(begun, made, Stamp(AT, "me@here", "2"), done=True)
    assert (set(ended.components), ended.serial) == ({"wsl"}, 6)
    assert known.components["base"].state == "applied"


def test_copies_that_no_component_names_are_unneeded() -> None:
    known = manifest(base=component(before={PATH: file(BEFORE)}))
    assert unneeded_copies(known, node(kept=frozenset({BEFORE, OTHER}))) == (OTHER,)


def test_copies_stay_where_a_manifest_was_lost() -> None:
    known = manifest(base=component()).model_copy(update={"unknown_before": True})
    assert unneeded_copies(known, node(kept=frozenset({OTHER}))) == ()
    made = plan(known, node(), "base")
    assert changed(known, made, Stamp(AT, "me@here", "2"), done=True).unknown_before


def test_folders_that_our_packages_made_go_with_them_and_those_of_others_stay() -> None:
    folder = Entry(kind="directory", mode="755", owner="root:root")
    cni, net = "/etc/cni", "/etc/cni/net.d"
    store = "/var/lib/containers"
    state = node(entries=dict.fromkeys((cni, net, store), folder), packages={"p": installed()})
    ours = manifest(containerd=component(packages={"p": Package(version="1")}))
    assert plan(ours, state, "containerd").folders == (net, cni)
    theirs = manifest(containerd=component(packages={"p": Package(version="2", before="1")}))
    assert plan(theirs, state, "containerd").folders == ()
    there = manifest(containerd=component(packages={"p": Package(version="1")}, before={cni: folder}))
    assert plan(there, state, "containerd").folders == (net,)
    linked = node(entries={cni: Entry(kind="link", target="/srv/cni")}, packages={"p": installed()})
    assert plan(ours, linked, "containerd").folders == ()
    # what Podman keeps goes like other data: with its packages, and only where nobody uses it
    podman = manifest(vllm=component(packages={"p": Package(version="1")}))
    assert plan(podman, state, "vllm").data == (store,)
    assert plan(podman, state, "vllm", used=(store,)).data == ()
    assert plan(manifest(vllm=component()), state, "vllm").data == ()


def test_traces_are_what_only_wslgpu_makes() -> None:
    state = node(entries={"/var/lib/wslgpu": file(), "/etc/wsl.conf": file(), "/etc/wslgpu/vllm": file()})
    assert traces(state) == ("/etc/wslgpu/vllm",)


def test_data_go_with_their_component_unless_somebody_uses_them() -> None:
    folder = Entry(kind="directory", mode="711", owner="root:root")
    store = "/var/lib/containerd"
    known = manifest(containerd=component(files={store: folder}, packages={"containerd": Package(version="1")}))
    state = node(entries={store: folder}, packages={"containerd": installed()})
    assert plan(known, state, "containerd").data == (store,)
    used = plan(known, state, "containerd", used=(store,))
    assert (used.data, used.stays) == ((), (f"{store} stays: it holds data of what ran here (--data removes it)",))
    needed = node(
        entries={store: folder}, packages={"containerd": installed(), "docker.io": installed(depends="containerd")}
    )
    assert plan(known, needed, "containerd").data == ()
    there = manifest(
        containerd=component(
            files={store: folder}, before={store: folder}, packages={"containerd": Package(version="1")}
        )
    )
    assert plan(there, state, "containerd").data == ()


def test_a_file_into_which_somebody_wrote_between_two_applies_is_refused() -> None:
    known = manifest(wsl=component(files={PATH: file()}, before={PATH: file(BEFORE)}, edited={PATH: OTHER}))
    state = node(entries={PATH: file()}, kept=frozenset({BEFORE, OTHER}))
    [refusal] = refusals(known, state, ["wsl"], force=False)
    assert "somebody changed it, and wslgpu wrote into that" in refusal.what
    assert plan(known, state, "wsl").aside == (PATH,)
    assert unneeded_copies(known, state) == ()


def test_where_nobody_knows_what_was_there_before_it_is_said() -> None:
    one = component(files={"/etc/wslgpu/x": file()}, unknown_before=True)
    made = plan(manifest(vllm=one), node(entries={"/etc/wslgpu/x": file()}), "vllm")
    assert made.delete == {"/etc/wslgpu/x": OURS}
    assert any("is not known" in text for text in made.stays)
