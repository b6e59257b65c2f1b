"""The marker of a check, and the two ways in which one ends without a judgement."""

from __future__ import annotations

from typing import NoReturn

import pytest

from wslgpu.report.pytest_records import NOT_APPLICABLE

APPLY = "Run `wslgpu apply` again: it puts this back."


def check(check_id: str, remedy: str = APPLY) -> pytest.MarkDecorator:
    """Give a test its permanent id, ``component.thing[.aspect]``; ``{name}`` in it stands for a parameter."""
    return pytest.mark.check(check_id, remedy=remedy)


def unknown(reason: str) -> NoReturn:
    """End the test: the property could not be looked at."""
    pytest.skip(reason)


def not_applicable(reason: str) -> NoReturn:
    """End the test: the data asks for nothing here."""
    pytest.skip(f"{NOT_APPLICABLE}{reason}")
