"""``wslgpu workload list`` and ``render``, as people and programs call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.command_line import wslgpu
from tests.unit.rendered_workloads import ONES
from wslgpu.workloads.render import names


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site that has no file of the user's behind it."""
    path = tmp_path / "site.yml"
    path.write_text("profile: current\n")
    return path


def test_what_there_is_one_a_line() -> None:
    done = wslgpu("workload", "list")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["runtime-class", "device-plugin"]
    assert lines[1].endswith("(kubernetes, helm)")
    assert all(len(line) < 160 for line in lines)


def test_what_there_is_for_a_program() -> None:
    found = json.loads(wslgpu("workload", "list", "--json").stdout)
    assert found["schema"] == 1
    by_name = {row["name"]: row["forms"] for row in found["workloads"]}
    assert by_name["device-plugin"] == ["kubernetes", "helm"]
    assert set(by_name) >= set(names())


def test_objects_come_as_one_stream_and_notes_beside_it(site: Path) -> None:
    done = wslgpu("workload", "render", "runtime-class", "device-plugin", "runtime-class", "--site", site)
    assert done.returncode == 0
    kinds = [item["kind"] for item in yaml.safe_load_all(done.stdout)]
    assert kinds == ["RuntimeClass", "Namespace", "NetworkPolicy", "DaemonSet"]
    assert "# device-plugin/daemonset.yaml" in done.stdout
    assert "device-plugin: Plugin 0.20.0 advertises one nvidia.com/gpu" in done.stderr


def test_one_file_is_printed_as_it_is(site: Path) -> None:
    done = wslgpu("workload", "render", "device-plugin", "--form", "helm", "--site", site)
    assert done.stdout.startswith("# Made by wslgpu")
    assert yaml.safe_load(done.stdout)["runtimeClassName"] == "nvidia"
    assert "device-plugin: helm upgrade --install" in done.stderr


def test_a_program_gets_files_objects_and_notes(site: Path) -> None:
    done = wslgpu("workload", "render", "device-plugin", "--site", site, "--json")
    (found,) = json.loads(done.stdout)["workloads"]
    assert set(found) == {"name", "form", "files", "documents", "notes"}
    assert set(found["files"]) == {"kustomization.yaml", "namespace.yaml", "networkpolicy.yaml", "daemonset.yaml"}
    assert [item["kind"] for item in found["documents"]] == ["Namespace", "NetworkPolicy", "DaemonSet"]
    assert found["notes"]
    assert done.stderr == ""


def test_folders_are_written_and_then_unchanged(site: Path, tmp_path: Path) -> None:
    words = ("workload", "render", "runtime-class", "device-plugin", "--to", tmp_path / "out", "--site", site)
    first = wslgpu(*words)
    assert first.returncode == 0
    assert f"{tmp_path}/out/runtime-class: kustomization.yaml, runtimeclass.yaml\n" in first.stdout
    assert (tmp_path / "out/device-plugin/daemonset.yaml").is_file()
    assert (
        wslgpu(*words).stdout == f"{tmp_path}/out/runtime-class: unchanged\n{tmp_path}/out/device-plugin: unchanged\n"
    )
    found = json.loads(wslgpu(*words, "--json").stdout)["workloads"]
    assert [(row["name"], row["changed"], row["removed"]) for row in found] == [
        ("runtime-class", [], []),
        ("device-plugin", [], []),
    ]


def test_nothing_is_written_where_one_file_was_edited(site: Path, tmp_path: Path) -> None:
    words = ("workload", "render", "runtime-class", "device-plugin", "--to", tmp_path / "out", "--site", site)
    wslgpu(*words)
    edited = tmp_path / "out/device-plugin/daemonset.yaml"
    edited.write_text("mine\n")
    (tmp_path / "out/runtime-class/runtimeclass.yaml").unlink()
    refused = wslgpu(*words, "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["class"] == "safety"
    assert "daemonset.yaml" in refused.stderr
    assert edited.read_text() == "mine\n"
    assert not (tmp_path / "out/runtime-class/runtimeclass.yaml").exists()
    assert wslgpu(*words, "--force").returncode == 0
    assert edited.read_text() != "mine\n"


def test_force_without_a_folder_is_wrong_usage(site: Path) -> None:
    done = wslgpu("workload", "render", "runtime-class", "--force", "--site", site)
    assert done.returncode == 2
    assert "--force goes with --to" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("vlm",), "there is no workload 'vlm'"),
        (("runtime-class", "--form", "helm"), "runtime-class has no form helm"),
        (("runtime-class", "--kubernetes", "new"), "'new' is no version such as 1.34"),
        (("runtime-class", "--gpus", "-1"), "--gpus"),
        ((), "NAME"),
    ],
)
def test_wrong_words_end_with_2_and_what_is_right(words: tuple[str, ...], said: str, site: Path) -> None:
    done = wslgpu("workload", "render", *words, "--site", site)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("version", ["1.34", "v1.34", "1.34.2", "1.34.2+k3s1"])
def test_versions_as_clusters_write_them(version: str, site: Path) -> None:
    assert wslgpu("workload", "render", "runtime-class", "--kubernetes", version, "--site", site).returncode == 0


def test_an_unknown_plugin_version_ends_with_2_and_the_known_ones(site: Path) -> None:
    site.write_text("device_plugin_version: 0.99.0\n")
    done = wslgpu("workload", "render", "device-plugin", "--site", site)
    assert done.returncode == 2
    assert f"{site}:1: device_plugin_version: 0.99.0 is not in the table" in done.stderr
    assert "0.20.0" in done.stderr


def test_a_digest_that_nobody_knows_ends_with_2_and_the_command(site: Path) -> None:
    site.write_text("device_plugin_version: 0.18.0\n")
    done = wslgpu("workload", "render", "device-plugin", "--site", site)
    assert done.returncode == 2
    assert "wslgpu pins resolve" in done.stderr
    assert done.stdout == ""
    row = wslgpu("workload", "render", "device-plugin", "--site", site, "--json")
    assert json.loads(row.stdout)["error"]["class"] == "usage"


def test_digests_stand_in_what_is_printed(site: Path) -> None:
    table = yaml.safe_load((Path(__file__).parents[2] / "group_data/device_plugins.yml").read_text())["device_plugins"]
    site.write_text(
        yaml.safe_dump(
            {"device_plugin_version": "0.18.0", "device_plugins": {"0.18.0": {**table["0.18.0"], "digest": ONES}}}
        )
    )
    assert f"@{ONES}" in wslgpu("workload", "render", "device-plugin", "--site", site).stdout
