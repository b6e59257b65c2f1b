"""The wheel alone, in a virtual environment of its own: what works without a clone, and what says that it needs one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.observation_documents import healthy
from wslgpu.project import PROJECT_ROOT

pytestmark = pytest.mark.lab
"""It needs no node, but the package index, and half a minute."""

Wslgpu = Callable[..., "subprocess.CompletedProcess[str]"]


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program wslgpu of a fresh environment that has the wheel, and its runtime dependencies from the lock."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # setuptools builds in the source folder, and the project's stays as it is
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT_ROOT / name, source)
    shutil.copytree(PROJECT_ROOT / "wslgpu", source / "wslgpu", ignore=shutil.ignore_patterns("__pycache__"))
    uv = str(Path(sys.executable).with_name("uv"))
    run(uv, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(source))
    (wheel,) = folder.glob("wslgpu-*.whl")
    environment = folder / "environment"
    run(uv, "venv", "--quiet", "--python", sys.executable, str(environment))
    python, lock = str(environment / "bin" / "python"), str(PROJECT_ROOT / "requirements.txt")
    run(uv, "pip", "install", "--quiet", "--python", python, "--constraint", lock, str(wheel))
    return environment / "bin" / "wslgpu"


@pytest.fixture
def wslgpu(installed: Path, tmp_path: Path) -> Wslgpu:
    """Calls it in an empty folder, with nothing of this project's on any path."""
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(installed), *words], cwd=empty, env=environment, capture_output=True, text=True, timeout=120
        )
        assert "Traceback" not in done.stderr
        assert "wslgpu itself failed" not in done.stderr, done.stderr
        return done

    return call


def test_a_check_works_in_an_empty_folder(wslgpu: Wslgpu, tmp_path: Path) -> None:
    done = wslgpu("check", "--json", "--html", "report.html", "--markdown", "report.md", "--junit", "report.xml")
    document = json.loads(done.stdout)
    assert done.returncode == document["exit_code"]
    assert document["nodes"][0]["error"] is None
    assert len(document["nodes"][0]["capabilities"]) >= 90
    assert document["lock_digest"] == ""
    assert {path.name for path in (tmp_path / "empty").iterdir()} == {"report.html", "report.md", "report.xml"}
    assert wslgpu("check").stdout


def test_probe_judge_and_support_work(wslgpu: Wslgpu, tmp_path: Path) -> None:
    assert wslgpu("probe", "--save", "here.json").returncode == 0
    assert wslgpu("judge", "here.json").returncode in (0, 1, 2)
    (tmp_path / "good.json").write_text(healthy().as_json())
    assert wslgpu("judge", str(tmp_path / "good.json"), "--workload", "cuda").returncode == 0
    assert wslgpu("support", "--output", "help.tar.gz").returncode == 0
    assert (tmp_path / "empty" / "help.tar.gz").stat().st_size > 1000


def test_the_catalogue_is_there(wslgpu: Wslgpu) -> None:
    assert wslgpu("explain", "cuda.init").stdout.startswith("cuda.init: ")
    entries = json.loads(wslgpu("catalogue", "list", "--json").stdout)["entries"]
    product = PROJECT_ROOT / "wslgpu" / "catalogue"
    written = sum(len(yaml.safe_load(path.read_text())["capabilities"]) for path in product.glob("capabilities/*.yml"))
    assert sum(row["kind"] == "capability" for row in entries) == written
    assert json.loads(wslgpu("catalogue", "schema").stdout)["title"]


def test_help_is_whole(wslgpu: Wslgpu) -> None:
    done = wslgpu("--help")
    assert done.returncode == 0, done.stderr
    assert "check" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        "apply local",
        "verify local",
        "inventory list",
        "pins resolve",
        "lab up",
        "check --lab one",
        "catalogue docs --check",
    ],
)
def test_the_rest_asks_for_a_clone(wslgpu: Wslgpu, words: str) -> None:
    done = wslgpu(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "make setup" in done.stderr
