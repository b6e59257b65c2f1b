"""Every operation against its fixtures: what it sends for a node's state.

The format is in tests/pyinfra_fixtures.py.
"""

from pathlib import Path

import pytest

from tests.pyinfra_fixtures import check_operation, fixtures, name_of


@pytest.mark.parametrize("fixture", fixtures(Path(__file__).parent), ids=name_of)
def test_operation(fixture: Path) -> None:
    check_operation(fixture)
