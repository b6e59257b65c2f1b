"""The node suites themselves: what they may import, and that each check has one permanent id."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from wslgpu.settings import PROJECT_ROOT
from wslgpu.verify import SUITES
from wslgpu.verify.child import suite_files

NODE = PROJECT_ROOT / "tests" / "node"
DATA_ONLY = {
    "wslgpu.errors",
    "wslgpu.inventory",
    "wslgpu.pins",
    "wslgpu.report.pytest_records",
    "wslgpu.settings",
    "wslgpu.wsl_keys",
}
"""What the suites may use of wslgpu: nothing in it looks at a node or plans a change."""
CAPABILITIES_ONLY = {
    "wslgpu.catalogue.load",
    "wslgpu.probe.document",
    "wslgpu.probe.program",
    "wslgpu.report.capabilities.words",
    "wslgpu.verdict.judge",
    "wslgpu.verdict.model",
}
"""What the suite over the catalogue uses besides: it is the probe and its judgement, through testinfra."""
ARTIFACTS_ONLY = {
    "wslgpu.artifact_choice",
    "wslgpu.build.codec_headers",
    "wslgpu.build.proof_ffmpeg",
    "wslgpu.build.proofs",
    "wslgpu.build.recipe",
    "wslgpu.build.record",
    "wslgpu.dozen_answer",
    "wslgpu.ffmpeg_errors",
}
"""What the suites over artifacts use besides: the recipes, this machine's store, and readers of programs' own words."""


def imports(source: str) -> set[str]:
    """The modules that a Python source imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "wslgpu"}
    return found


def ours(modules: set[str]) -> set[str]:
    """The modules that are wslgpu's or its deploy code's."""
    return {name for name in modules if name.split(".")[0] in ("wslgpu", "tasks", "deploy", "pyinfra")} - {"wslgpu"}


def test_imports_are_found() -> None:
    source = "def f():\n    from wslgpu import facts\nimport tasks.base as b\nfrom wslgpu.operations.script import x\n"
    assert ours(imports(source)) == {"wslgpu.facts", "tasks.base", "wslgpu.operations.script"}


@pytest.mark.parametrize("path", sorted(NODE.rglob("*.py")), ids=lambda path: str(path.relative_to(NODE)))
def test_suites_use_nothing_that_planned_the_change(path: Path) -> None:
    allowed = DATA_ONLY | (CAPABILITIES_ONLY if path.stem in ("capabilities", "test_capabilities") else set())
    if path.stem in ("artifact", "ffmpeg", "test_ffmpeg", "test_mesa_dozen"):
        allowed |= ARTIFACTS_ONLY
    assert ours(imports(path.read_text(encoding="utf-8"))) <= allowed


def checks(path: Path) -> Iterator[tuple[str, str]]:
    """Test function and check id, for each test of a file; an empty id for a test without one."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            calls = [call for call in node.decorator_list if isinstance(call, ast.Call)]
            ids = [
                str(call.args[0].value)
                for call in calls
                if isinstance(call.func, ast.Name)
                and call.func.id == "check"
                and isinstance(call.args[0], ast.Constant)
            ]
            yield node.name, ids[0] if ids else ""


@pytest.mark.parametrize("suite", SUITES)
def test_every_test_has_an_id_of_its_component(suite: str) -> None:
    found = [check for path in suite_files(suite) for check in checks(path)]
    assert found
    assert [name for name, check_id in found if not check_id.startswith(f"{suite}.")] == []


def test_ids_are_given_once() -> None:
    counts = Counter(check_id for path in NODE.glob("test_*.py") for _, check_id in checks(path))
    assert [check_id for check_id, number in counts.items() if number > 1] == []


def test_every_file_belongs_to_one_suite() -> None:
    counts = Counter(path for suite in SUITES for path in suite_files(suite))
    assert set(counts) == set(NODE.glob("test_*.py"))
    assert set(counts.values()) == {1}
