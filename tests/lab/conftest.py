"""Labs for tests: made on demand, gone at the end, and swept up by the next session if this one is killed."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
from collections.abc import Callable, Iterator

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.lab.support import cluster as cluster_support
from tests.lab.support.real_builds import RealBuilds
from tests.lab.support.real_builds import make as real_builds_in
from wslgpu.lab import Lab, LabSpec, down, sweep

LabFactory = Callable[..., Lab]
SHARED = {
    "builds": {"test_real_builds.py", "test_real_artifacts.py", "test_drifts.py"},
    "cluster": {
        "test_kubernetes.py",
        "test_device_plugin.py",
        "test_kubernetes_join.py",
        "test_lab_kubernetes.py",
        "test_vllm_kubernetes.py",
    },
}
"""Files whose tests share what takes minutes to make: ``real_builds``, and ``cluster``. They begin first."""


def _share(nodeid: str) -> str:
    """What has to stay in one worker of a parallel run: a lab's file, a group of files, or any other test alone."""
    path = nodeid.partition("::")[0]
    if "tests/lab/" not in path:
        return nodeid
    return next((name for name, files in SHARED.items() if path.rpartition("/")[2] in files), path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, then what lasts longest."""
    order = list(SHARED)

    def rank(item: pytest.Item) -> int:
        share = _share(item.nodeid)
        return 0 if share == item.nodeid else 1 + (order.index(share) if share in order else len(order))

    items.sort(key=rank)


class _LabScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """xdist's own groups (``loadgroup``) are no groups under pytest 9."""

    def _split_scope(self, nodeid: str) -> str:
        return _share(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Called by the controller of a parallel run."""
    return _LabScheduling(config, log)


@pytest.fixture(scope="session")
def lab_factory() -> Iterator[LabFactory]:
    """``lab_factory(persona="wsl1", nodes=3, ...)``: a new lab; the arguments are LabSpec's."""
    if os.geteuid() != 0:
        pytest.fail("lab nodes need root; make test-fast needs none")
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
