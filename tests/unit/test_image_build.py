"""What an image build decides before and after its machine runs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.small_image import SmallImage
from tests.unit.test_preflight import GOOD, ids, judged
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.image import build as module
from wslgpu.image.build import COMPONENTS, DISTRIBUTIONS, EPOCH_VARIABLE, ImageRequest
from wslgpu.image.errors import ImageError
from wslgpu.image.machine import has_cloud_init
from wslgpu.lab.root import KINDS, RootSpec
from wslgpu.lock.model import Index, Lock, LockedDistribution, LockedPackage
from wslgpu.lock.text import lock_text
from wslgpu.settings import PROJECT_ROOT

PACKAGE = LockedPackage(version="8.14.1-2", sha256="12" * 32, size_bytes=7, file="c.deb", index=0)


def index(date: str) -> Index:
    return Index(uri="http://archive.example/debian/", suite="trixie", date=date, sha256="34" * 32)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    found = Lock(
        tool_version="0.1.0",
        profile="current",
        inputs={},
        distributions={
            "debian 13": LockedDistribution(
                indexes=[index("2025-10-09T08:53:20Z"), index("2025-10-01T00:00:00Z")], packages={"curl": PACKAGE}
            )
        },
    )
    path = tmp_path / "wslgpu.lock.yml"
    path.write_text(lock_text(found))
    return path


def test_the_lock_gives_packages_and_the_images_time(lock: Path) -> None:
    packages, epoch = module._locked(lock, "debian-13")
    assert packages == {"curl": PACKAGE}
    assert epoch == 1_760_000_000, "of the youngest index"
    assert module._locked(None, "debian-13") == ({}, 0)


def test_a_lock_of_another_distribution_is_refused(lock: Path) -> None:
    with pytest.raises(ImageError) as caught:
        module._locked(lock, "debian-12")
    assert caught.value.exit_code == 2
    assert "the lock has no debian-12 (it has debian 13)" in str(caught.value)


def test_a_package_that_is_not_as_locked_is_named_with_both_versions(lock: Path) -> None:
    module._check_locked({"curl": "8.14.1-2", "of the base system": "1"}, {"curl": PACKAGE}, lock)
    with pytest.raises(ImageError) as caught:
        module._check_locked({"curl": "8.15"}, {"curl": PACKAGE}, lock)
    assert caught.value.error_class is ErrorClass.INTEGRITY
    assert "curl 8.15 (locked: 8.14.1-2)" in str(caught.value)


def test_where_the_images_time_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EPOCH_VARIABLE, raising=False)
    changelog = tmp_path / "usr/share/doc/curl/changelog.gz"
    changelog.parent.mkdir(parents=True)
    changelog.write_text("")
    os.utime(changelog, (77, 77))
    assert module._epoch(0, tmp_path) == 77
    assert module._epoch(88, tmp_path) == 88, "the lock's comes before"
    monkeypatch.setenv(EPOCH_VARIABLE, "99")
    assert module._epoch(88, tmp_path) == 99
    monkeypatch.setenv(EPOCH_VARIABLE, "today")
    with pytest.raises(ImageError, match="no number of seconds"):
        module._epoch(88, tmp_path)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (ImageRequest(Path("/tmp/a.tar")), "must end with .wsl"),
        (ImageRequest(Path("/nowhere/a.wsl")), "cannot be a file there"),
        (ImageRequest(Path("/tmp/a.wsl"), name="a/b"), "cannot name a distro"),
    ],
)
def test_a_request_that_cannot_be_met(request_: ImageRequest, said: str) -> None:
    with pytest.raises(WslgpuError, match=said) as caught:
        module._check_target(request_)
    assert caught.value.exit_code == 2


def test_components_are_those_of_the_deploy_without_images() -> None:
    text = (PROJECT_ROOT / "deploy.py").read_text()
    called = [line.strip().partition("(")[0] for line in text.splitlines() if "(_sudo=sudo)" in line]
    assert list(COMPONENTS) == [name for name in called if name != "cuda_images"]


def test_an_images_root_has_neither_the_labs_user_nor_a_cloud_init_that_does_not_know_wsl() -> None:
    assert "image" in KINDS
    assert {name: has_cloud_init(base) for name, base in DISTRIBUTIONS.items()} == {
        "debian-13": True,
        "debian-12": False,
    }
    assert "cloud-init" in RootSpec("trixie", "image").packages
    assert "cloud-init" not in RootSpec("bookworm", "image").packages
    assert "cloud-init" not in RootSpec("trixie", "node").packages


def test_where_the_gpu_comes_later_its_absence_is_no_obstacle() -> None:
    without = replace(GOOD, signals=("kernel", "run-wsl"), stores={})
    assert "gpu.device" in ids(judged(without))
    assert ids(judged(without, gpu_at="first-boot")) == []


def test_what_is_only_advised_against_is_told_and_an_error_refused(tmp_path: Path) -> None:
    small = SmallImage.good()
    small.edit("etc/wsl.conf", "[boot]", "[network]\nhostname=a\n[boot]")
    told: list[str] = []
    module._judge(small.write(tmp_path / "new"), tmp_path / "a.wsl", told.append)
    assert [line.partition(": /")[0] for line in told] == ["warning: wsl-conf.own"]
    small.change("etc/machine-id", data=b"0123\n")
    with pytest.raises(ImageError, match=r"breaks 1 rules: machine-id"):
        module._judge(small.write(tmp_path / "new"), tmp_path / "a.wsl", told.append)
