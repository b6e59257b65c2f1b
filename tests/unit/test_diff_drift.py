"""A node against its manifest: every kind of difference, by whom, and since when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wslgpu.diff.compare import HIDDEN
from wslgpu.diff.drift import drift, log_lines, since
from wslgpu.diff.rows import Row
from wslgpu.lock.model import Lock
from wslgpu.manifest.model import Entry, Image, Manifest
from wslgpu.manifest.state import InstalledPackage, NodeState

AT, BEFORE, LATER = "2026-05-01T12:00:00Z", "2026-05-01T11:00:00Z", "2026-05-02T08:00:00Z"
ONE, OTHER = "1" * 64, "2" * 64
CONFIG, PIN = "/etc/containerd/config.toml", "/etc/apt/preferences.d/wslgpu-container-toolkit"
LOCK_ONE, LOCK_OTHER = f"sha256:{ONE}", f"sha256:{OTHER}"
TOOLKIT = "nvidia-container-toolkit"


def entry(sha256: str = ONE, mode: str = "644") -> dict[str, str]:
    return {"kind": "file", "mode": mode, "owner": "root:root", "sha256": sha256}


def manifest(**components: dict[str, Any]) -> Manifest:
    row = {"state": "applied", "at": AT, "tool_version": "0.1.0", "settings": ONE, "lock": LOCK_ONE}
    return Manifest.model_validate(
        {
            "tool_version": "0.1.0",
            "at": AT,
            "by": "somebody@somewhere",
            "components": {name: {**row, **fields} for name, fields in components.items()},
        }
    )


def state(**fields: Any) -> NodeState:
    entries = {path: Entry.model_validate(row) for path, row in fields.pop("entries", {}).items()}
    modified = dict.fromkeys(entries, LATER) | fields.pop("modified", {})
    return replace(NodeState("debian 13", LATER, None), entries=entries, modified=modified, **fields)


def only(rows: list[Row]) -> Row:
    assert len(rows) == 1, rows
    return rows[0]


def test_nothing_differs() -> None:
    asked = manifest(containerd={"files": {CONFIG: entry()}, "packages": {"containerd": {"version": "1.7"}}})
    there = state(entries={CONFIG: entry()}, packages={"containerd": InstalledPackage("1.7", "installed")})
    assert drift(asked, there) == []


def test_a_file_changed_by_hand() -> None:
    row = only(drift(manifest(containerd={"files": {CONFIG: entry()}}), state(entries={CONFIG: entry(OTHER)})))
    assert (row.component, row.section, row.name, row.change) == ("containerd", "path", CONFIG, "changed")
    assert (row.what, row.by, row.when) == (("content",), "by hand", LATER)
    assert (row.wanted, row.found) == (f"sha256 {ONE[:12]}", f"sha256 {OTHER[:12]}")


def test_a_file_changed_by_the_scripts_of_an_upgrade() -> None:
    log = ("2026-05-02 07:59:30 upgrade containerd:amd64 1.7 1.8",)
    there = state(entries={CONFIG: entry(OTHER)}, package_log=log)
    row = only(drift(manifest(containerd={"files": {CONFIG: entry()}}), there))
    assert row.by == "by the upgrade of containerd 1.7 -> 1.8"


def test_what_the_apply_itself_installed_is_not_blamed() -> None:
    log = ("2026-05-01 11:59:30 install containerd:amd64 <none> 1.7",)
    soon = "2026-05-01T12:00:20Z"
    there = state(entries={CONFIG: entry(OTHER)}, modified={CONFIG: soon}, package_log=log)
    row = only(drift(manifest(containerd={"files": {CONFIG: entry()}}), there))
    assert (row.by, row.when) == ("by hand", soon)
    # a component that came later in the same run
    log = (f"2026-05-01 12:00:10 install {TOOLKIT}:amd64 <none> 1.20",)
    asked = manifest(
        containerd={"files": {CONFIG: entry()}}, container_toolkit={"packages": {TOOLKIT: {"version": "1.20"}}}
    )
    there = replace(there, package_log=log, packages={TOOLKIT: InstalledPackage("1.20", "installed")})
    assert only(drift(asked, there)).by == "by hand"
    assert only(drift(manifest(containerd={"files": {CONFIG: entry()}}), there)).by.startswith("by the installation")


def test_a_change_of_mode_has_no_time_and_nobody_is_blamed_by_it() -> None:
    log = ("2026-05-02 07:59:30 upgrade containerd:amd64 1.7 1.8",)
    there = state(entries={CONFIG: entry(mode="600")}, package_log=log)
    row = only(drift(manifest(containerd={"files": {CONFIG: entry()}}), there))
    assert (row.what, row.by, row.when) == (("mode",), "by hand", "")


def test_a_digest_of_what_not_everybody_may_read_is_not_shown() -> None:
    asked = manifest(vllm={"files": {"/etc/wslgpu/vllm/key": entry(ONE, "600")}})
    row = only(drift(asked, state(entries={"/etc/wslgpu/vllm/key": entry(OTHER, "600")})))
    assert (row.wanted, row.found) == (HIDDEN, HIDDEN)


def test_a_file_became_a_link() -> None:
    there = state(entries={CONFIG: {"kind": "link", "owner": "root:root", "target": "/elsewhere"}})
    assert only(drift(manifest(containerd={"files": {CONFIG: entry()}}), there)).what == ("kind",)


def test_a_file_is_gone() -> None:
    row = only(drift(manifest(container_toolkit={"files": {PIN: entry()}}), state()))
    assert (row.change, row.name, row.found) == ("removed", PIN, "")


def test_what_somebody_put_at_our_places_after_us_is_added() -> None:
    mine = "/etc/containerd/certs.d/quay.io/hosts.toml"
    row = only(drift(manifest(containerd={}), state(entries={mine: entry()})))
    assert (row.change, row.name, row.component) == ("added", mine, "containerd")


def test_what_stood_there_before_us_is_none_of_ours() -> None:
    mine = "/etc/containerd/certs.d/quay.io/hosts.toml"
    assert drift(manifest(containerd={}), state(entries={mine: entry()}, modified={mine: BEFORE})) == []


def test_what_runs_make_anew_is_no_difference() -> None:
    spec = "/var/run/cdi/nvidia.yaml"
    asked = manifest(container_toolkit={"files": {spec: entry("")}})
    assert drift(asked, state(entries={spec: entry(OTHER)})) == []


@pytest.mark.parametrize(
    ("log", "by", "when"),
    [
        ("2026-05-02 07:00:00 upgrade containerd:amd64 1.7 1.8", "by an upgrade", "2026-05-02T07:00:00Z"),
        ("2026-05-02 07:00:00 upgrade containerd:amd64 1.9 1.8", "by a downgrade", "2026-05-02T07:00:00Z"),
        ("2026-05-02 07:00:00 install containerd:amd64 <none> 1.8", "by a package manager", "2026-05-02T07:00:00Z"),
        ("2026-05-02 07:00:00 upgrade other:amd64 1.7 1.8", "by hand", ""),
    ],
)
def test_a_package_has_another_version(log: str, by: str, when: str) -> None:
    asked = manifest(containerd={"packages": {"containerd": {"version": "1.7"}}})
    there = state(packages={"containerd": InstalledPackage("1.8", "installed")}, package_log=(log,))
    row = only(drift(asked, there))
    assert (row.section, row.wanted, row.found, row.by, row.when) == ("package", "1.7", "1.8", by, when)


def test_a_package_is_gone_or_half_installed_or_no_longer_held() -> None:
    asked = manifest(container_toolkit={"packages": {TOOLKIT: {"version": "1"}}, "holds": [TOOLKIT]})
    log = (f"2026-05-02 07:00:00 remove {TOOLKIT}:amd64 1 <none>",)
    gone = only(drift(asked, state(package_log=log)))
    assert (gone.change, gone.by, gone.when) == ("removed", "by a package manager", "2026-05-02T07:00:00Z")
    half = drift(asked, state(packages={TOOLKIT: InstalledPackage("1", "half-configured", held=True)}))
    assert only(half).what == ("status",)
    assert only(drift(asked, state(packages={TOOLKIT: InstalledPackage("1", "installed")}))).what == ("hold",)


def test_units_accounts_images_and_artifacts() -> None:
    asked = manifest(
        containerd={"units": {"containerd.service": {"state": "enabled", "before": "absent"}}, "users": {"a": 100}},
        cuda_images={
            "images": {
                "x:1": {"namespace": "k8s.io", "digest": LOCK_ONE},
                "y:1": {"namespace": "k8s.io", "digest": LOCK_ONE},
            }
        },
        ffmpeg={"artifacts": {"ffmpeg": LOCK_ONE}},
    )
    there = state(
        units={"containerd.service": "disabled"},
        users={"a": 101},
        images={"x:1": Image(namespace="k8s.io", digest=LOCK_OTHER)},
        artifacts={"ffmpeg": "damaged"},
    )
    assert [(row.section, row.name, row.change, row.found) for row in drift(asked, there)] == [
        ("unit", "containerd.service", "changed", "disabled"),
        ("user", "a", "changed", "101"),
        ("image", "x:1", "changed", LOCK_OTHER),
        ("image", "y:1", "removed", ""),
        ("artifact", "ffmpeg", "changed", "damaged"),
    ]


def test_an_apply_that_was_cut_off_is_told() -> None:
    row = only(drift(manifest(containerd={"state": "applying"}), state()))
    assert (row.section, row.found) == ("component", "an apply was cut off")


def test_the_lock_in_force_decides_versions() -> None:
    locked = {"version": "1.8", "sha256": ONE, "size_bytes": 1, "file": "c.deb", "index": 0}
    lock = Lock.model_validate(
        {
            "tool_version": "0.1.0",
            "profile": "current",
            "inputs": {},
            "distributions": {"debian 13": {"indexes": [], "packages": {"containerd": locked}}},
        }
    )
    asked = manifest(containerd={"packages": {"containerd": {"version": "1.7"}}})
    rows = drift(asked, state(packages={"containerd": InstalledPackage("1.7", "installed")}), (lock, LOCK_OTHER))
    assert [(row.what, row.wanted, row.found) for row in rows] == [
        (("lock",), LOCK_OTHER, LOCK_ONE),
        (("version",), "1.8", "1.7"),
    ]
    assert {row.by for row in rows} == {"the lock in force is another"}


def test_since_leaves_out_what_came_before_and_tells_other_packages() -> None:
    asked = manifest(containerd={"packages": {"containerd": {"version": "1.8"}}})
    rows = [
        Row("containerd", "path", "/old", "changed", ("content",), when=BEFORE),
        Row("containerd", "path", "/new", "changed", ("content",), when=LATER),
        Row("containerd", "path", "/unknown", "removed", ("there",)),
    ]
    log = (
        "2026-04-01 07:00:00 install early:amd64 <none> 1",
        "2026-05-02 07:00:00 upgrade containerd:amd64 1.7 1.8",
        "2026-05-02 07:00:00 upgrade openssl:amd64 3.0 3.1",
        "2026-05-02 07:00:00 install mine:amd64 <none> 1",
        "2026-05-02 07:00:00 purge theirs:amd64 2 <none>",
    )
    found = since(rows, asked, state(package_log=log), AT)
    assert [(row.name, row.change) for row in found] == [
        ("/new", "changed"),
        ("/unknown", "removed"),
        ("mine", "added"),
        ("openssl", "changed"),
        ("theirs", "removed"),
    ]


def test_lines_of_the_log_that_are_none_are_left_out() -> None:
    assert log_lines(("", "2026-05-02 07:00:00 startup archives unpack", "x upgrade a 1 2")) == []
