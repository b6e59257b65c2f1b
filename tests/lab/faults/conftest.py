"""One provisioned node for all these tests: each leaves it as the data says, by a last run that converges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import apply
from tests.lab.support.nodes import forget_images, forget_toolkit
from wslgpu.lab import Lab, Node


@pytest.fixture(scope="package")
def provisioned(lab_factory: LabFactory) -> Lab:
    """A lab whose node has had a whole deploy."""
    lab = lab_factory()
    outcome = apply(lab)
    assert outcome.code == 0, outcome
    return lab


@pytest.fixture
def lab(provisioned: Lab) -> Iterator[Lab]:
    """The provisioned lab; what a test switched on in its server is off again at the end."""
    yield provisioned
    provisioned.faults.clear()


@pytest.fixture
def node(lab: Lab) -> Node:
    return lab.node()


@pytest.fixture
def node_without_toolkit(node: Node) -> Node:
    """NVIDIA's packages are to be installed again, their repository to be made known again."""
    forget_toolkit(node)
    return node


@pytest.fixture
def node_without_images(node: Node) -> Node:
    forget_images(node)
    return node
