"""Labs for tests: made on demand, gone at the end, and swept up by the next session if this one is killed."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
from collections.abc import Callable, Iterator

import pytest

from tests.lab.support.real_builds import RealBuilds
from tests.lab.support.real_builds import make as real_builds_in
from wslgpu.lab import Lab, LabSpec, down, sweep

LabFactory = Callable[..., Lab]


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
def real_builds(tmp_path_factory: pytest.TempPathFactory) -> RealBuilds:
    """Mesa and FFmpeg from source, for all tests of the session that need the real ones."""
    return real_builds_in(tmp_path_factory.mktemp("builds"))


@pytest.fixture(scope="session", autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Deploys of tests find an empty artifact store, whatever this machine's holds, unless they name another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSLGPU_STORE_DIR", str(tmp_path_factory.mktemp("no-artifacts") / "store"))
        yield
