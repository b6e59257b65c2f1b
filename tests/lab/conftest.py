"""Labs for tests: made on demand, gone at the end, and swept up by the next session if this one is killed."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.support import cluster as cluster_support
from tests.lab.support.real_builds import RealBuilds
from tests.lab.support.real_builds import make as real_builds_in
from wslgpu.lab import Lab, LabSpec, down, sweep

LabFactory = Callable[..., Lab]
HERE = Path(__file__).parent
SHARED = ("real_builds", "provisioned_cluster")
"""Fixtures that cost minutes and are made once for the whole session: who uses one stays in one worker."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each lab to one worker of a parallel run. Fast tests come first, then what lasts longest."""
    ranks = {}
    for item in items:
        ranks[item.nodeid] = 0
        if HERE in item.path.parents:
            fixtures = getattr(item, "fixturenames", ())
            shared = [name for name in SHARED if name in fixtures]
            ranks[item.nodeid] = 1 + SHARED.index(shared[0]) if shared else 1 + len(SHARED)
            item.add_marker(pytest.mark.xdist_group(shared[0] if shared else item.path.stem))
    items.sort(key=lambda item: ranks[item.nodeid])


@pytest.fixture(scope="session")
def lab_factory() -> Iterator[LabFactory]:
    """``lab_factory(persona="wsl1", nodes=3, ...)``: a new lab; the arguments are LabSpec's."""
    if os.geteuid() != 0:
        pytest.skip("lab nodes need root")
    sweep()
    made: list[str] = []
    numbers = itertools.count(1)

    def make(name: str = "", **fields: object) -> Lab:
        spec = LabSpec(name=name or f"t{os.getpid()}-{next(numbers)}", owner_pid=os.getpid())
        made.append(spec.name)
        return Lab.up(dataclasses.replace(spec, **fields))  # type: ignore[arg-type]

    yield make
    for name in made:
        down(name)


@pytest.fixture
def new_lab(lab_factory: LabFactory) -> Iterator[LabFactory]:
    """As lab_factory, for labs that are gone at the end of the test."""
    made: list[Lab] = []

    def make(**fields: object) -> Lab:
        made.append(lab_factory(**fields))
        return made[-1]

    yield make
    for entry in made:
        down(entry.name)


@pytest.fixture(scope="module")
def lab(lab_factory: LabFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """One wsl2 node on trixie, with its repository and registry, for the tests of one module."""
    module = re.sub(r"[^a-z0-9]+", "-", request.module.__name__.rpartition(".")[2]).strip("-")[:20]
    made = lab_factory(name=f"t{os.getpid()}-{module}")
    yield made
    down(made.name)


@pytest.fixture(scope="session")
def provisioned_cluster(lab_factory: LabFactory) -> Lab:
    """A lab with Kubernetes, provisioned, its node Ready. For a test: ``cluster``."""
    return cluster_support.provision(lab_factory(name=f"t{os.getpid()}-kubernetes", kubernetes=True))


@pytest.fixture
def cluster(provisioned_cluster: Lab) -> Iterator[Lab]:
    """The session's cluster, one node that has joined; what a test puts on it is gone after the test."""
    yield provisioned_cluster
    cluster_support.restore(provisioned_cluster)


@pytest.fixture(scope="session")
def real_builds(tmp_path_factory: pytest.TempPathFactory) -> RealBuilds:
    """Mesa and FFmpeg from source, for all tests of the session that need the real ones."""
    return real_builds_in(tmp_path_factory.mktemp("builds"))


@pytest.fixture(scope="session", autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Deploys of tests find an empty artifact store, whatever this machine's holds, unless they name another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSLGPU_STORE_DIR", str(tmp_path_factory.mktemp("no-artifacts") / "store"))
        yield
