"""checkov over every rendered manifest, without a network: what it finds is listed with a reason, and nothing else is.

It lives in .venv-checkov, which ``make setup-test`` makes: it asks for an older packaging than the tools in .venv.
"""

from __future__ import annotations

import json
import os
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.rendered_workloads import different
from wslgpu.project import PROJECT_ROOT
from wslgpu.workloads.manifest import identity

pytestmark = pytest.mark.installed

CHECKOV = PROJECT_ROOT / ".venv-checkov/bin/checkov"
EXCEPTIONS = PROJECT_ROOT / "tests/checkov/exceptions.yml"
Found = set[tuple[str, str]]


def run(folder: Path, home: Path) -> dict[str, Any]:
    """checkov's report on a folder."""
    # not --quiet, which leaves out what passed, and with it what was read
    words = ("--directory", ".", "--framework", "kubernetes", "--skip-download", "--compact")
    done = subprocess.run(
        [CHECKOV, *words, "--output", "json"],
        cwd=folder,
        env={**os.environ, "HOME": str(home), "LOG_LEVEL": "ERROR", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def failed(report: dict[str, Any]) -> Found:
    """The id of each check with the object that it failed on."""
    return {(check["check_id"], check["resource"]) for check in report["results"]["failed_checks"]}


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(EXCEPTIONS.read_text(encoding="utf-8"))["exceptions"]
    return found


def listed() -> Found:
    """The id of each check with the name of an object, in which * stands for any words."""
    return {(row["check"], name) for row in rows() for name in row["objects"]}


def matches(finding: tuple[str, str], exception: tuple[str, str]) -> bool:
    return finding[0] == exception[0] and fnmatchcase(finding[1], exception[1])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("rendered")
    for number, rendered in enumerate(different().values()):
        for name, text in rendered.files.items():
            path = folder / str(number) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return run(folder, tmp_path_factory.mktemp("home"))


def test_it_read_all_of_them(report: dict[str, Any]) -> None:
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 200
    with_pods = {
        f"{kind}.{namespace}.{name}"
        for each in different().values()
        for kind, namespace, name in map(identity, each.documents)
        if kind in ("DaemonSet", "Deployment", "Job")
    }
    assert len(with_pods) >= 5
    seen = {check["resource"] for kind in ("passed_checks", "failed_checks") for check in report["results"][kind]}
    assert with_pods <= seen


def test_every_finding_is_listed_with_its_reason(report: dict[str, Any]) -> None:
    names = {check["check_id"]: check["check_name"] for check in report["results"]["failed_checks"]}
    new = sorted(each for each in failed(report) if not any(matches(each, exception) for exception in listed()))
    assert not new, [f"{check} ({names[check]}) on {name}" for check, name in new]


def test_every_listed_exception_still_occurs(report: dict[str, Any]) -> None:
    assert not sorted(each for each in listed() if not any(matches(finding, each) for finding in failed(report)))


def test_the_list_gives_reasons_and_checkovs_own_words(report: dict[str, Any]) -> None:
    names = {check["check_id"]: check["check_name"] for check in report["results"]["failed_checks"]}
    for row in rows():
        assert set(row) == {"check", "what", "reason", "objects"}
        assert row["what"] == names[row["check"]]
        assert row["reason"].strip()


def test_it_finds_what_is_wrong(tmp_path: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "y"},
        "spec": {"containers": [{"name": "c", "image": "a:latest", "securityContext": {"privileged": True}}]},
    }
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
    found = {check for check, _ in failed(run(tmp_path, tmp_path))}
    assert {"CKV_K8S_16", "CKV_K8S_43"} <= found, "a privileged container, and an image without a digest"
