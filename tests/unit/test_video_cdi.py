"""The video device: what is installed for it, and the shell that makes its spec, on folders of a test's own."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from wslgpu import cdi, video_cdi
from wslgpu.lab.stand_ins import driver
from wslgpu.lab.stand_ins.node import cdi as stand_in_cdi
from wslgpu.lab.stand_ins.node import yaml_text
from wslgpu.node_script import program
from wslgpu.operations.script import SCRIPTS
from wslgpu.pins import CdiSpecOwner
from wslgpu.probe.node import toolkit

KIND = "wslgpu.dev/gpu"
SHELLCHECK = shutil.which("shellcheck") or str(Path(__file__).parents[2] / ".venv/bin/shellcheck")


def unit(name: str, owner: CdiSpecOwner) -> configparser.RawConfigParser:
    """A unit as it is installed; of keys that stand several times, the last."""
    text = next(text for path, _, text in video_cdi.files(KIND, owner) if path.endswith(name))
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(text)
    return parsed


def lines_of(name: str, owner: CdiSpecOwner) -> list[str]:
    return next(text for path, _, text in video_cdi.files(KIND, owner) if path.endswith(name)).splitlines()


def test_the_installed_program_is_whole_and_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    path, mode, text = video_cdi.files(KIND, CdiSpecOwner.WSLGPU)[0]
    assert (path, mode) == (video_cdi.PROGRAM, "755")
    assert text.startswith("#!/bin/sh\n")
    assert "# include: " not in text
    script = tmp_path / "refresh-cdi"
    script.write_text(text, encoding="utf-8")
    done = subprocess.run([SHELLCHECK, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_operation_and_unit_have_one_generator() -> None:
    """Both texts come from the same files; no shell stands twice."""
    shared = (SCRIPTS / "gpu_spec.sh").read_text(encoding="utf-8")
    assert shared in program(SCRIPTS / "refresh_cdi.sh")
    assert shared in program(SCRIPTS / "cdi_spec.sh")
    assert "cdi generate" not in (SCRIPTS / "cdi_spec.sh").read_text(encoding="utf-8")
    assert "cdi generate" not in (SCRIPTS / "refresh_cdi.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize("owner", list(CdiSpecOwner))
def test_the_service_runs_at_boot_with_kind_and_owner(owner: CdiSpecOwner) -> None:
    service = unit(video_cdi.SERVICE, owner)
    word = {CdiSpecOwner.WSLGPU: "own", CdiSpecOwner.REFRESH_UNIT: "refresh"}[owner]
    assert service["Service"]["ExecStart"] == f"{video_cdi.PROGRAM} refresh {word} {KIND}"
    assert service["Install"]["WantedBy"] == "multi-user.target"


def test_ours_comes_before_the_engines_where_it_writes_all_and_after_nvidias_where_that_does() -> None:
    """NVIDIA's unit may be ordered after multi-user.target, so that ours, ordered before what that target waits for,
    would make a circle."""
    own, refresh = (unit(video_cdi.SERVICE, owner)["Unit"] for owner in CdiSpecOwner)
    assert "containerd.service" in own["Before"].split()
    assert "After" not in own
    assert refresh["After"].split() == ["multi-user.target", "nvidia-cdi-refresh.service"]
    assert "Before" not in refresh


@pytest.mark.parametrize("owner", list(CdiSpecOwner))
def test_nothing_is_watched_that_the_service_writes(owner: CdiSpecOwner) -> None:
    watched = [line.partition("=")[2] for line in lines_of(video_cdi.PATH_UNIT, owner) if line.startswith("Path")]
    assert "/usr/lib/wsl/drivers" in watched
    assert "/usr/lib/wsl/lib" in watched
    written = ("/etc/cdi", "/var/run/cdi", "/run/wslgpu", "/tmp")
    assert [path for path in watched if path.startswith(written)] == []
    assert int(unit(video_cdi.SERVICE, owner)["Unit"]["StartLimitBurst"]) > 0


def test_claimants_are_other_files_with_the_same_device() -> None:
    def text(kind: str, name: str) -> str:
        return f"kind: {kind}\ndevices:\n- name: {name}\n"

    specs = {
        video_cdi.SPEC: text(KIND, "video"),
        "/etc/cdi/a.yaml": text(KIND, "video"),
        "/etc/cdi/b.yaml": text(KIND, "audio"),
        "/etc/cdi/c.yaml": text("c.example/gpu", "video"),
        "/var/run/cdi/d.json": f'{{"kind": "{KIND}", "devices": [{{"name": "video"}}]}}',
        "/etc/cdi/e.yaml": "kind: [",
    }
    assert video_cdi.claimants(specs, KIND) == ["/etc/cdi/a.yaml", "/var/run/cdi/d.json"]


# --- the shell, on folders of a test's own


def sh(work: Path, line: str, *arguments: str | Path) -> str:
    """Run a line with the scripts' functions; ``work`` is their temporary folder."""
    functions = program(SCRIPTS / "gpu_spec.sh") + (SCRIPTS / "video_spec.sh").read_text(encoding="utf-8")
    words = ["sh", "-c", f"{functions}\nwork={work}\n{line}", "test", *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def work(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def captured(version: str) -> Path:
    return Path(__file__).parents[1] / f"fixtures/captures/nvidia-ctk-{version}_cdi-generate_wsl.yaml"


@pytest.mark.parametrize("version", ["1.18.1", "1.19.1", "1.20.0"])
def test_mounts_and_kind_are_read_as_the_yaml_reader_reads_them(work: Path, version: str) -> None:
    spec = cdi.parse_spec(captured(version).read_text(encoding="utf-8"))
    assert spec is not None
    assert set(sh(work, 'mounted "$1"', captured(version)).splitlines()) == spec.host_paths - {"/dev/dxg"}
    assert sh(work, 'kind_of "$1"', captured(version)).strip() == spec.kind


def test_json_is_read_too(work: Path, tmp_path: Path) -> None:
    spec = tmp_path / "a.json"
    spec.write_text('{"kind":"a.b/c","devices":[{"name":"x","containerEdits":{"mounts":[{"hostPath":"/x y"}]}}]}')
    assert sh(work, 'mounted "$1"; kind_of "$1"', spec).splitlines() == ["/x y", "a.b/c"]


def library(path: Path, source: str = "int x;", *flags: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-shared", "-fPIC", "-nostdlib", "-x", "c", "-", "-x", "none", "-o", str(path), *flags]
    subprocess.run(command, input=source, text=True, check=True, capture_output=True)


def found(work: Path, *folders: Path, covered: str = "") -> list[str]:
    """What video_files says, the folders' own path left out."""
    (work / "covered").write_text(covered)
    text = sh(work, 'video_files "$@"', work / "covered", *folders)
    for folder in folders:
        text = text.replace(f"{folder}/", f"{folder.name}/").replace(str(folder), folder.name)
    return text.splitlines()


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("scenario", "folder"), [("one-gpu", "lib"), ("codecs-only-in-lib", "lib"), ("codecs-missing", "store")]
)
def test_the_copy_of_wsls_own_folder_wins_and_else_the_stores_counts(
    tmp_path: Path, work: Path, scenario: str, folder: str
) -> None:
    driver.build_driver_tree(tmp_path / "tree", scenario=scenario)
    (store,) = (tmp_path / "tree/drivers").iterdir()
    lib, store = tmp_path / "tree/lib", store.rename(tmp_path / "store")
    said = found(work, lib, store, covered="libcuda\nlibnvidia-ml\n")
    assert f"mount {folder}/libnvidia-encode.so.1" in said
    assert f"mount {folder}/libnvcuvid.so.1" in said
    # in codecs-missing it is in both
    assert "mount lib/libnvidia-opticalflow.so.1" in said
    assert len(said) == 3


@pytest.mark.compiled
def test_a_node_without_any_is_told(tmp_path: Path, work: Path) -> None:
    driver.build_driver_tree(tmp_path / "tree", scenario="codecs-nowhere")
    (store,) = (tmp_path / "tree/drivers").iterdir()
    assert found(work, tmp_path / "tree/lib", store) == [f"lacking {stem}" for stem in STEMS]


STEMS = ("libnvidia-encode", "libnvcuvid", "libnvidia-opticalflow")


def test_what_nvidia_com_gpu_mounts_is_left_to_it(tmp_path: Path, work: Path) -> None:
    (tmp_path / "lib").mkdir()
    said = found(work, tmp_path / "lib", covered="libcuda\nlibnvidia-encode\nlibnvcuvid\n")
    assert said == ["covered libnvidia-encode", "covered libnvcuvid", "lacking libnvidia-opticalflow"]


@pytest.mark.compiled
def test_what_a_library_links_and_what_it_opens_come_too(tmp_path: Path, work: Path) -> None:
    """Linked libraries and names in it, over several steps; what nvidia.com/gpu has, or nobody, does not."""
    lib, store = tmp_path / "lib", tmp_path / "store"
    library(store / "libnvlinked.so.2", "int linked;", "-Wl,-soname,libnvlinked.so.2")
    opens = 'const char *opens[] = {"libnvopened.so.1", "libcuda.so.1", "libX11.so.6", "libtwice.so.1"};'
    library(lib / "libnvcuvid.so.1", opens, "-Wl,--no-as-needed", str(store / "libnvlinked.so.2"))
    library(store / "libnvopened.so.1", 'const char *next = "libnvnext.so.7";')
    library(store / "libnvnext.so.7", 'const char *back = "libnvopened.so.1";')
    for folder in (lib, store):
        library(folder / "libcuda.so.1")
        library(folder / "libtwice.so.1")
    said = found(work, lib, store, covered="libcuda\n")
    assert [line for line in said if line.startswith("mount")] == [
        "mount lib/libnvcuvid.so.1",
        "mount lib/libtwice.so.1",
        "mount store/libnvlinked.so.2",
        "mount store/libnvnext.so.7",
        "mount store/libnvopened.so.1",
    ]


@pytest.mark.compiled
def test_a_library_that_the_loader_refuses_is_left_out_and_said(tmp_path: Path, work: Path) -> None:
    lib, elsewhere = tmp_path / "lib", tmp_path / "elsewhere"
    library(elsewhere / "libnvgone.so.1", "int gone;", "-Wl,-soname,libnvgone.so.1")
    library(lib / "libnvidia-encode.so.1", "int x;", "-Wl,--no-as-needed", str(elsewhere / "libnvgone.so.1"))
    (lib / "libnvcuvid.so.1").write_text("no library")
    library(lib / "libnvidia-opticalflow.so")
    assert found(work, lib) == [
        "broken libnvidia-encode it needs libnvgone.so.1",
        "broken libnvcuvid the loader refuses it",
        "mount lib/libnvidia-opticalflow.so",
    ]


def text_of(work: Path, libraries: str) -> str:
    (work / "libraries").write_text(libraries)
    return sh(work, "video_text wslgpu.dev/gpu")


LIBRARIES = """\
covered libnvidia-encode
lacking libnvidia-opticalflow
broken libnvx it needs liby.so.1
mount /usr/lib/wsl/lib/libnvcuvid.so.1
mount /usr/lib/wsl/drivers/nv_a/libnvopened.so.1
"""


def test_the_spec_is_read_alike_by_all_readers_and_says_what_it_lacks(work: Path) -> None:
    text = text_of(work, LIBRARIES)
    assert cdi.is_ours(text)
    for said in ("Mounted by nvidia.com/gpu: libnvidia-encode", "Not on this node: libnvidia-opticalflow"):
        assert f"# {said}\n" in text
    assert "# Left out: libnvx, since it needs liby.so.1\n" in text
    mounts = {"/usr/lib/wsl/lib/libnvcuvid.so.1", "/usr/lib/wsl/drivers/nv_a/libnvopened.so.1"}
    assert cdi.parse_spec(text) == cdi.CdiSpec(KIND, ("video",), frozenset({*mounts, "/dev/dxg"}))
    (device,) = yaml_text.loads(text)["devices"]
    (hook,) = device["containerEdits"]["hooks"]
    folders = ["--folder", "/usr/lib/wsl/drivers/nv_a", "--folder", "/usr/lib/wsl/lib"]
    assert hook["args"] == ["nvidia-cdi-hook", "update-ldcache", *folders]
    assert {tuple(mount["options"]) for mount in device["containerEdits"]["mounts"]} == {stand_in_cdi.MOUNT_OPTIONS}
    seen = toolkit.cdi_spec(video_cdi.SPEC, text, lambda _: True)
    assert (seen["kind"], seen["devices"], set(seen["mounts"])) == (KIND, ["video"], mounts)  # type: ignore[call-overload]


def test_a_spec_with_nothing_to_mount_has_the_device_node_alone(work: Path) -> None:
    text = text_of(work, "covered libnvidia-encode\ncovered libnvcuvid\n")
    assert cdi.parse_spec(text) == cdi.CdiSpec(KIND, ("video",), frozenset({"/dev/dxg"}))
    assert "hooks" not in text


def test_somebody_elses_spec_is_kept_whole_or_not_at_all(work: Path) -> None:
    """Half of it would count as kept, and the next run would put ours in its place."""
    spec, new = work / "spec.yaml", work / "new.yaml"
    spec.write_text("kind: a.example/b\n")
    new.write_text("kind: c.example/d\n")
    cut_off = 'cp() { echo half >"$3"; exit 0; }; put_spec "$1" "$2"'
    sh(work, cut_off, new, spec)
    assert spec.read_text() == "kind: a.example/b\n"
    assert not Path(f"{spec}.wslgpu-before").exists()
    sh(work, 'put_file() { :; }; put_spec "$1" "$2"', new, spec)
    assert Path(f"{spec}.wslgpu-before").read_text() == "kind: a.example/b\n"
