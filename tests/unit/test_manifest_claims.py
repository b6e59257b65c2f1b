"""The places of each component."""

from __future__ import annotations

import ast
import re

import pytest

from wslgpu.manifest.claims import CLAIMS, COMPONENTS, DATA_DIR, matches, words
from wslgpu.manifest.model import Entry
from wslgpu.project import PROJECT_ROOT

FILE = Entry(kind="file", mode="644", owner="root:root")


def test_every_task_has_its_claims_in_the_order_of_the_deploy() -> None:
    calls = re.findall(r"^ *([a-z_]+)\(_sudo=sudo\)", (PROJECT_ROOT / "deploy.py").read_text(), re.MULTILINE)
    assert tuple(name for name in calls if name != "preflight") == COMPONENTS


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_task_is_begun_and_recorded_as_itself(component: str) -> None:
    """The first operation after the lock, and the last of all, in the function itself: no way leads past them."""
    tree = ast.parse((PROJECT_ROOT / "tasks" / f"{component}.py").read_text())
    [task] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == component]
    calls = [ast.unparse(node) for node in task.body if isinstance(node, ast.Expr)]
    at = next(index for index, call in enumerate(calls) if call.startswith("run_lock.hold("))
    assert calls[at + 1].startswith("manifest.begun(")
    assert calls[-1].startswith("manifest.recorded(")
    for call in (calls[at + 1], calls[-1]):
        assert f"component='{component}'" in call
    assert not any(isinstance(node, ast.Return) for node in ast.walk(task))


def test_templates_are_claimed() -> None:
    """Each template below /etc becomes a file of one of the components, but those that go to a cluster."""
    found = [str(path.relative_to(PROJECT_ROOT / "templates")) for path in (PROJECT_ROOT / "templates").rglob("*.j2")]
    places = [
        f"/{name[:-3]}" for name in found if not name.startswith(("etc/wslgpu/kubernetes/", "etc/wslgpu/helm/", "var/"))
    ]
    unclaimed = [
        place
        for place in places
        if not any(
            one.cover(place, FILE)
            or any(pattern.rpartition("/")[2] == place.rpartition("/")[2] for pattern in one.paths)
            for one in CLAIMS.values()
        )
    ]
    assert unclaimed == []


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/etc/a*", "/etc/ab", True),
        ("/etc/a*", "/etc/a/b", False),
        ("/etc/*", "/etc/.b", False),
        ("/etc/.*", "/etc/.b", True),
        ("/etc/*/b", "/etc/a/b", True),
        ("/etc/a", "/etc/A", False),
    ],
)
def test_patterns_are_the_shells(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern, path) is fits


def test_links_are_told_by_where_they_lead() -> None:
    plugin = "/opt/cni/bin/bridge"
    ours = Entry(kind="link", target="/usr/lib/cni/bridge")
    assert CLAIMS["kubernetes"].cover(plugin, ours)
    assert not CLAIMS["kubernetes"].cover(plugin, FILE)
    assert not CLAIMS["kubernetes"].cover(plugin, Entry(kind="link", target="/opt/flannel"))


def test_the_data_directory_is_the_settings() -> None:
    assert CLAIMS["wsl"].cover("/srv/gpu/wslconfig", FILE, "/srv/gpu")
    assert "path=/srv/gpu/wslconfig" in words("/srv/gpu", ("ns",))
    assert "namespace=ns" in words("/srv/gpu", ("ns",))
    assert not any(DATA_DIR in word for word in words())


def test_what_lives_is_claimed() -> None:
    for name, one in CLAIMS.items():
        assert set(one.living) | set(one.unkept) <= set(one.paths), name
