"""Every fact against its fixtures: what it asks, and what it makes of the answer.

The format is in tests/pyinfra_fixtures.py.
"""

from pathlib import Path

import pytest

from tests.pyinfra_fixtures import check_fact, fixtures, name_of


@pytest.mark.parametrize("fixture", fixtures(Path(__file__).parent), ids=name_of)
def test_fact(fixture: Path) -> None:
    check_fact(fixture)
