"""The files under templates/: all of them are used, say who made them, and refuse a value that is missing."""

from __future__ import annotations

import jinja2
import pytest

from wslgpu.settings import PROJECT_ROOT
from wslgpu.templates import FOLDER, render

TEMPLATES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
SOURCES = "".join(
    path.read_text(encoding="utf-8") for folder in ("wslgpu", "tasks") for path in (PROJECT_ROOT / folder).rglob("*.py")
)


def test_there_are_templates() -> None:
    assert len(TEMPLATES) >= 7


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_is_used_and_says_who_made_the_file(template: object) -> None:
    path = str(template)
    assert path.endswith(".j2")
    on_node = "/" + path.removeprefix(f"{FOLDER}/").removesuffix(".j2")
    used = on_node in SOURCES or on_node.removeprefix("/etc/containerd/certs.d") in SOURCES
    assert used, f"nothing renders {on_node}"
    first = (FOLDER / path).read_text(encoding="utf-8").splitlines()[0]
    assert "Made by wslgpu; changes here are overwritten." in first


def test_a_missing_value_is_an_error_and_not_an_empty_word() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("/etc/apt/sources.list.d/nvidia-container-toolkit.sources", uri="https://x")
