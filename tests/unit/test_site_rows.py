"""Digests of workloads' images, asked of a registry and written into the rows of a site's tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import wslgpu
from wslgpu.apply import digests
from wslgpu.errors import DataError
from wslgpu.settings import load
from wslgpu.site_digests import write_row_digest

ONES = "sha256:" + "1" * 64
TWOS = "sha256:" + "2" * 64
PLACE = ("device_plugins", "0.18.0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# ours\nprofile: reference",
        "profile: reference\ndevice_plugins: {} # none\n",
    ],
)
def test_a_row_that_the_site_has_not_is_written_out(tmp_path: Path, text: str) -> None:
    site = tmp_path / "site.yml"
    site.write_text(text)
    write_row_digest(site, PLACE, ONES)
    row = load(site).device_plugins["0.18.0"]
    assert (row.digest, row.verified, row.tag) == (ONES, True, "v0.18.0")
    assert row.seen.startswith("asked the registry on ")
    assert len(load(site).device_plugins) == 7
    for line in text.splitlines():
        assert line in site.read_text() or line.startswith("device_plugins:")


def test_a_site_may_be_missing(tmp_path: Path) -> None:
    write_row_digest(tmp_path / "site.yml", PLACE, ONES)
    assert load(tmp_path / "site.yml").device_plugins["0.18.0"].digest == ONES


def test_rows_stand_beside_each_other(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    write_row_digest(site, PLACE, ONES)
    write_row_digest(site, ("device_plugins", "0.19.0"), TWOS)
    write_row_digest(site, ("vllm_versions", "0.24.0", "image"), TWOS)
    settings = load(site)
    assert settings.device_plugins["0.18.0"].digest == ONES
    assert settings.device_plugins["0.19.0"].digest == TWOS
    assert settings.vllm_versions["0.24.0"].image.digest == TWOS


def test_a_row_that_the_site_has_is_changed_in_place(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    write_row_digest(site, PLACE, ONES)
    site.write_text(
        site.read_text()
        .replace(f"digest: {ONES}", f"digest: {ONES} # mine")
        .replace("    seen:", "    # no\n    seen:")
    )
    write_row_digest(site, PLACE, TWOS)
    assert f"digest: {TWOS} # mine\n" in site.read_text()
    assert "    # no\n" in site.read_text()
    assert load(site).device_plugins["0.18.0"].digest == TWOS


def test_a_table_on_one_line_is_left_alone(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    write_row_digest(site, PLACE, ONES)
    row = load(site).as_data()["device_plugins"]["0.18.0"]
    text = f"device_plugins: {{0.18.0: {row}}}\n".replace("True", "true")
    site.write_text(text)
    for place in (PLACE, ("device_plugins", "0.19.0")):
        with pytest.raises(DataError):
            write_row_digest(site, place, TWOS)
    assert site.read_text() == text
    assert list(tmp_path.iterdir()) == [site]


def test_only_versions_in_force_are_asked_for(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text("profile: current\n")
    assert digests.unresolved_rows(load(site)) == {}
    site.write_text("device_plugin_version: 0.18.0\nvllm_version: 0.24.0\n")
    assert {place: image.name for place, image in digests.unresolved_rows(load(site)).items()} == {
        PLACE: "nvcr.io/nvidia/k8s-device-plugin:v0.18.0",
        ("vllm_versions", "0.24.0", "image"): "docker.io/vllm/vllm-openai:v0.24.0",
    }


def test_resolving_writes_them_only_where_it_is_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(repository: str, tag: str, **_: object) -> str:
        asked.append(f"{repository}:{tag}")
        return ONES

    monkeypatch.setattr(digests, "resolve_digest", resolve)
    site = tmp_path / "site.yml"
    site.write_text("device_plugin_version: 0.18.0\n")
    base, plugin = "docker.io/nvidia/cuda:13.0.0-base-ubuntu24.04", "nvcr.io/nvidia/k8s-device-plugin:v0.18.0"
    assert digests.resolve_missing(site, write=False, workloads=True) == {base: ONES, plugin: ONES}
    assert site.read_text() == "device_plugin_version: 0.18.0\n"
    assert set(digests.resolve_missing(site, write=True)) == {base}, "a node needs no more"
    assert load(site).device_plugin.digest == "unresolved"
    asked.clear()
    assert digests.resolve_missing(site, write=True, workloads=True) == {plugin: ONES}
    assert asked == [plugin]
    assert load(site).device_plugin.digest == ONES
    assert digests.resolve_missing(site, write=True, workloads=True) == {}


def test_the_command_asks_for_those_of_workloads_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "resolve_digest", lambda *_, **__: ONES)
    site = tmp_path / "site.yml"
    site.write_text("device_plugin_version: 0.18.0\n")
    done = wslgpu("pins", "resolve", "--dry", "--site", site)
    assert done.returncode == 0
    assert f"nvcr.io/nvidia/k8s-device-plugin:v0.18.0 -> {ONES}\n" in done.stdout
    assert load(site).device_plugin.digest == "unresolved"
