"""`wslgpu diff` as it is typed, its text, its JSON and its page."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command_line import wslgpu
from wslgpu.diff.cli import exit_code, moment_of
from wslgpu.diff.html import as_html
from wslgpu.diff.node import lock_in_force, manifest_of, state_payload
from wslgpu.diff.rows import Diff, Row
from wslgpu.diff.text import SHOWN, document, lines
from wslgpu.errors import UsageError, WslgpuError
from wslgpu.lock.load import digest_of
from wslgpu.lock.model import LOCK_NAME
from wslgpu.manifest.model import MANIFEST
from wslgpu.manifest.state import ManifestKind, NodeState
from wslgpu.project import PROJECT_ROOT

ROW = Row(
    "containerd", "path", "/etc/x", "changed", ("content",), "sha256 1", "sha256 2", "by hand", "2026-05-01T12:00:00Z"
)
SAME = Diff("node1", "", "what wslgpu put there", ())
OTHER = Diff("node2", "", "what wslgpu put there", (ROW,))
HOSTILE = "<script>alert(1)</script>\x1b[31m"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("a", "b", "c"), "3 nodes"),
        (("a", "b", "--since", "2026-05-01"), "--since is for one node"),
        (("a", "--all"), "--all compares two"),
        (("a", "--since", "yesterday"), "no date"),
        (("a", "--since", "0001-01-01T00:00:00+14:00"), "before there was WSL"),
        (("docker://x",), "is a container"),
        (("-oProxyCommand=x",), "o such option"),
        (("ssh://a b",), "is no target"),
        (("--lab", "no-such-lab"), "there is no lab"),
        (("a", "--html", "/no/such/folder/x.html"), "/no/such/folder"),
    ],
)
def test_wrong_usage_ends_with_2(words: tuple[str, ...], what: str) -> None:
    done = wslgpu("diff", *words)
    assert done.returncode == 2, done
    assert what in done.stderr


def test_a_node_that_is_not_there_cannot_be_told() -> None:
    done = wslgpu("diff", "ssh://no-such-node.invalid", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit_code"], told["diffs"]) == (2, 2, [])
    assert told["errors"][0]["node"] == "ssh://no-such-node.invalid"
    assert told["errors"][0]["error"]["class"] == "network"


def test_exit_codes() -> None:
    error = ("node3", WslgpuError("x"))
    assert exit_code([SAME], []) == 0
    assert exit_code([SAME, OTHER], []) == 1
    assert exit_code([SAME], [error]) == 2
    assert exit_code([OTHER], [error]) == 1
    assert exit_code([], []) == 2


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-01", "2026-05-01T00:00:00Z"),
        ("2026-05-01T12:30:00Z", "2026-05-01T12:30:00Z"),
        ("2026-05-01T12:30:00+02:00", "2026-05-01T10:30:00Z"),
    ],
)
def test_dates(text: str, moment: str) -> None:
    assert moment_of(text) == moment


@pytest.mark.parametrize("kind", ["none", "link", "other", "unreadable"])
def test_without_a_manifest_nothing_can_be_told(kind: ManifestKind) -> None:
    with pytest.raises(UsageError) as error:
        manifest_of(NodeState("debian 13", "", None, manifest_kind=kind), "node1")
    assert error.value.exit_code == 2
    assert "node1: /var/lib/wslgpu/manifest.json" in error.value.where


def test_text() -> None:
    assert list(lines(SAME)) == ["node1 is as it should be: what wslgpu put there"]
    told = list(lines(OTHER))
    assert told[0] == "1 difference on node2: what wslgpu put there"
    assert told[1:] == [
        "  containerd",
        "    changed  path /etc/x: sha256 1 -> sha256 2  [by hand, 2026-05-01T12:00:00Z]",
    ]
    many = list(lines(Diff("n", "", "b", (ROW,) * (SHOWN + 5))))
    assert many[-1].strip() == "and 5 more: --json and --html show all"
    pair = Diff("a", "b", "all", (Row("", "path", "/x", "added", ("there",)),), (("/etc/machine-id", "machine-id"),))
    assert list(lines(pair))[1:] == ["    only on b: path /x", "  may differ, and does: machine-id"]


def test_a_name_from_the_node_cannot_write_to_the_terminal() -> None:
    row = Row("", "path", "/x\x1b]0;owned\x07\n/y", "added", ("there",))
    link = Row("", "path", "/x", "changed", ("target",), "target /a", "target /\x1b[2J")
    for diff in (Diff("n", "", "b", (row, link)), Diff("n", "m", "b", (row, link))):
        assert "\x1b" not in "\n".join(lines(diff))


def test_json() -> None:
    told = document([OTHER], [], 1)
    assert (told["schema"], told["exit_code"]) == (1, 1)
    assert told["diffs"][0]["differences"][0]["name"] == "/etc/x"
    json.dumps(told)


def test_the_page_is_whole_and_escapes_what_nodes_say() -> None:
    row = Row("containerd", "path", HOSTILE, "removed", ("there",), HOSTILE, HOSTILE, HOSTILE)
    pair = Diff("a", HOSTILE, HOSTILE, (row,), ((HOSTILE, "logs"),))
    page = as_html([Diff(HOSTILE, "", HOSTILE, (row,)), pair], [(HOSTILE, WslgpuError(HOSTILE).as_json())])
    assert "<script" not in page
    assert "\x1b" not in page
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.rstrip().endswith("</html>")
    assert "Not the same" in page
    assert "The same" in as_html([SAME], [])


def test_the_page_is_written(tmp_path: Path) -> None:
    done = wslgpu("diff", "ssh://no-such-node.invalid", "--html", tmp_path / "page.html")
    assert done.returncode == 2
    assert "cannot tell" in (tmp_path / "page.html").read_text()


def test_a_lab_has_a_lock_of_its_own_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSLGPU_LOCK", raising=False)
    monkeypatch.setenv("WSLGPU_LAB_DIR", str(tmp_path))
    place = tmp_path / "mine" / LOCK_NAME
    place.parent.mkdir()
    assert lock_in_force("mine") is None
    shutil.copyfile(PROJECT_ROOT / "tests/fixtures/locks/0.1.0-reference.yml", place)
    found = lock_in_force("mine")
    assert found is not None
    assert found[1] == digest_of(place)


def test_another_namespace_of_images_is_the_manifests() -> None:
    """The line that reads it from a manifest, run on one."""
    manifest = '{"components": {"cuda_images": {\n "files": {\n  "/etc/a b": {\n  }},\n  "namespace": "my-own.1"\n}}}\n'
    listing = next(line for line in state_payload().decode().splitlines() if line.startswith("set -- $("))
    command = listing.removeprefix("set -- $($as_root ").removesuffix(")").replace(MANIFEST, "-")
    done = subprocess.run(["sh", "-c", command], input=manifest, capture_output=True, text=True, check=True)
    assert done.stdout == "namespace=my-own.1\npath=/etc/a b\n"


def test_what_is_sent_asks_for_all_claims() -> None:
    text = state_payload().decode()
    for word in ("path=/etc/containerd/config.toml", "unit=containerd.service", "with=packages", "with=log"):
        assert word in text
