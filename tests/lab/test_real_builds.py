"""Mesa and FFmpeg, really built from what the archive has now: twice with one digest, proven, for every target."""

from __future__ import annotations

import pytest

from tests.lab.support.real_builds import FULL, MESA, REDUCED, RealBuilds, kept_store
from wslgpu.build.record import ArtifactRecord
from wslgpu.build.targets import known_targets, problems
from wslgpu.store.folder import Store

pytestmark = pytest.mark.lab


@pytest.fixture(params=[MESA, REDUCED])
def built(request: pytest.FixtureRequest, real_builds: RealBuilds) -> ArtifactRecord:
    return real_builds.have(request.param)


def test_two_builds_of_mesa_give_the_same_bytes(real_builds: RealBuilds) -> None:
    record = real_builds.have(MESA)
    again = real_builds.build(MESA, "--again", "--jobs", "3")
    assert again.returncode == 0, again.stderr
    assert record.digest in again.stdout + again.stderr
    assert "compile" in again.stderr


def test_the_same_key_is_not_built_again(real_builds: RealBuilds, built: ArtifactRecord) -> None:
    done = real_builds.build(built.build)
    assert done.returncode == 0, done.stderr
    assert "same key, nothing to build" in done.stderr
    assert built.digest in done.stdout


def test_one_artifact_serves_every_target(built: ArtifactRecord) -> None:
    targets = known_targets().targets
    assert len(targets) >= 4
    assert [found for target in targets for found in problems(built.requirements, target)] == []


def test_what_was_proven_is_written_down(built: ArtifactRecord) -> None:
    proofs = {proof.name for proof in built.proofs}
    assert proofs == {
        "files",
        "licence",
        "hardening",
        "links",
        "targets",
        {MESA: "vulkan", REDUCED: "ffmpeg"}[built.build],
    }
    assert built.licence == {MESA: "MIT", REDUCED: "GPL-2.0-or-later"}[built.build]


def test_full_ffmpeg(real_builds: RealBuilds) -> None:
    """Compiled when its key is new, which takes long; else it is in the store that stays."""
    done = real_builds.build(FULL, store=kept_store())
    assert done.returncode == 0, done.stderr
    record = Store(kept_store()).find(FULL)[0]
    assert record.digest in done.stdout
    assert [found for target in known_targets().targets for found in problems(record.requirements, target)] == []
