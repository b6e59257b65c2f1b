"""Which wheels a bundle gets, for Pythons that are not this one; a folder of small wheels is in an index's place."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.unit.bundle_samples import sha256
from wslgpu.build.access import Access
from wslgpu.build.download import Limits
from wslgpu.bundle.index import REQUIREMENTS
from wslgpu.bundle.wheels import gather, holds, parse_requirements
from wslgpu.bundle.work import Work
from wslgpu.errors import DataError, WslgpuError

OLD = "only_old; python_version < '3.11'"
EXTRAS = ("quick; extra == 'fast'", "slow; extra == 'slow'")


def wheel(folder: Path, name: str, version: str, requires: Sequence[str] = (), tag: str = "py3-none-any") -> str:
    """A wheel with nothing in it but what it says of itself; its line for a requirements file."""
    content = io.BytesIO()
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(content, "w") as archive:
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        archive.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    (folder / f"{name}-{version}-{tag}.whl").write_bytes(content.getvalue())
    return f"--hash=sha256:{sha256(content.getvalue())}"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Work:
    folder = tmp_path / "work"
    folder.mkdir()
    return Work(folder, Limits())


def names(work: Work, requirements: str, direct: Sequence[str], *pythons: str) -> set[str]:
    pins = parse_requirements(requirements, "requirements.txt")
    members = gather(pins, direct, pythons, work, Access())
    return {member.path.removeprefix("wheels/") for member in members}


def test_what_the_project_needs_and_nothing_else(index: Path, work: Work) -> None:
    text = "\n".join(
        (
            f"app==1 {wheel(index, 'app', '1', ['dep[fast]>=1', OLD])}",
            f"dep==1 \\\n    {wheel(index, 'dep', '1', EXTRAS)}",
            f"quick==1 {wheel(index, 'quick', '1')}",
            f"slow==1 {wheel(index, 'slow', '1')}",
            f"only-old==1 ; python_version < '3.11' {wheel(index, 'only_old', '1')}",
            f"tester==1 {wheel(index, 'tester', '1')}",
        )
    )
    pins = parse_requirements(text, "requirements.txt")
    members = {member.path: member for member in gather(pins, ["app==1"], ["3.10"], work, Access())}
    wheels = {f"wheels/{name}-1-py3-none-any.whl" for name in ("app", "dep", "only_old", "quick")}
    assert set(members) == {*wheels, REQUIREMENTS}
    written = work.file(members[REQUIREMENTS].sha256).read_text()
    assert [line.split("==")[0] for line in written.splitlines()] == ["app", "dep", "quick", "only-old"]


def test_wheels_of_the_nodes_python_are_chosen(index: Path, work: Work) -> None:
    tags = [f"cp3{minor}-cp3{minor}-manylinux_2_17_x86_64" for minor in (10, 13)]
    hashes = " ".join(wheel(index, "fast", "1", [OLD], tag) for tag in tags)
    assert names(work, f"fast==1 {hashes}", ["fast"], "3.13") == {f"fast-1-{tags[1]}.whl", "requirements.txt"}


def test_another_hash_is_refused(index: Path, work: Work) -> None:
    wheel(index, "app", "1")
    with pytest.raises(WslgpuError, match="another hash") as raised:
        names(work, f"app==1 --hash=sha256:{'0' * 64}", ["app"], "3.13")
    assert (raised.value.error_class.value, raised.value.exit_code) == ("integrity", 1)


def test_what_the_index_lacks(index: Path, work: Work) -> None:
    with pytest.raises(WslgpuError, match="pip cannot fetch them") as raised:
        names(work, f"app==1 --hash=sha256:{'0' * 64}", ["app"], "3.13")
    assert raised.value.exit_code == 2


def test_a_dependency_without_a_pin(index: Path, work: Work) -> None:
    with pytest.raises(DataError, match=r"lacks other.*Python 3\.13"):
        names(work, f"app==1 {wheel(index, 'app', '1', ['other'])}", ["app"], "3.13")


@pytest.mark.parametrize("line", ["app==1", "app = 1 --hash=sha256:0", "-r other.txt"])
def test_a_line_that_is_no_pin_with_a_hash(line: str) -> None:
    with pytest.raises(DataError, match=r"requirements\.txt: (holds|has no hash)"):
        parse_requirements(line, "requirements.txt")


def test_markers_are_the_nodes() -> None:
    assert holds(Requirement("x; sys_platform == 'linux' and python_full_version < '3.11'"), "3.10")
    assert not holds(Requirement("x; python_full_version < '3.11'"), "3.13")
    assert not holds(Requirement("x; extra == 'fast'"), "3.13")
    assert holds(Requirement("x; extra == 'fast'"), "3.13", ["fast"])
