"""A builder that is killed, interrupted or has to wait: nothing is left, the store is whole, a rerun converges."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.lab.support.small_build import (
    FILES,
    NAME,
    SLEEP,
    SmallBuild,
    kill,
    processes_of_builds,
    read_until,
    wait_for,
)
from wslgpu.store.folder import Store

pytestmark = pytest.mark.lab

LARGE_BYTES = 20_000_000
"""Enough for each step of our own to take longer than a signal does."""
PHASES = ("configure", "compile", "install")
OWN_STEPS = {"unpack": "[3/9] unpack: hello (", "prove": "[7/9] prove", "pack": "[8/9] pack", "store": "[9/9] store"}


@pytest.fixture
def small(tmp_path: Path) -> SmallBuild:
    return SmallBuild(tmp_path)


def sleeping() -> bool:
    return any(SLEEP in line for line in processes_of_builds())


def groups(builder: int) -> list[Path]:
    """Cgroups that a builder made, by its process number."""
    return sorted(Path("/sys/fs/cgroup").glob(f"**/wslgpu-build-{builder}"))


def assert_nothing_left(small: SmallBuild, builder: int) -> None:
    wait_for(lambda: not sleeping(), "the end of the sandbox's processes")
    assert str(small.path) not in Path("/proc/self/mounts").read_text()
    assert small.records() == []
    assert "".join((group / "cgroup.procs").read_text() for group in groups(builder)) == ""


def assert_converges(small: SmallBuild, builder: int) -> None:
    """As if nobody had been killed; and the work folder and groups of the one who was are gone."""
    undisturbed = SmallBuild(small.path / "undisturbed")
    undisturbed.sources, undisturbed.site = small.sources, small.site
    undisturbed.recipes = small.recipes
    assert small.built()["digest"] == undisturbed.built()["digest"]
    assert small.left_over() == []
    assert groups(builder) == []
    store = Store(small.store)
    assert [store.problems(record) for record in store.records()] == [[]]
    assert store.unnamed_blobs() == {}


@pytest.mark.parametrize("phase", PHASES)
def test_killed_in_a_phase(small: SmallBuild, phase: str) -> None:
    small.before[phase] = SLEEP
    small.write()
    process = small.start()
    wait_for(sleeping, f"{phase} sleeps")
    assert kill(process) == -signal.SIGKILL
    assert_nothing_left(small, process.pid)
    assert len(small.left_over()) == 2, "the work folder and its lock, for the next one to remove"
    small.before.clear()
    small.write()
    assert_converges(small, process.pid)


@pytest.mark.parametrize("step", OWN_STEPS)
def test_killed_in_a_step_of_our_own(small: SmallBuild, step: str) -> None:
    small.write_source({**FILES, "large": bytes(LARGE_BYTES)})
    small.before["install"] = "mkdir -p /out/share; cp /sources/hello/large /out/share"
    small.write()
    process = small.start()
    read_until(process, OWN_STEPS[step])
    assert kill(process) == -signal.SIGKILL
    assert_nothing_left(small, process.pid)
    assert_converges(small, process.pid)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_ends_a_build_in_order(small: SmallBuild, number: int, code: int) -> None:
    small.before["compile"] = SLEEP
    small.write()
    process = small.start()
    wait_for(sleeping, "compile sleeps")
    assert kill(process, number) == code
    assert not sleeping(), "the sandbox ends before the builder does"
    assert_nothing_left(small, process.pid)
    assert groups(process.pid) == []
    assert small.left_over() == []


def test_two_builders_of_one_key_build_once(small: SmallBuild) -> None:
    small.before["compile"] = "sleep 3"
    small.write()
    first = small.start()
    read_until(first, "[5/9] compile")
    second = small.start()
    said = read_until(second, "waiting for")
    assert f"waiting for process {first.pid} of user {os.environ.get('SUDO_USER', 'root')}" in said
    assert f"which has been building {NAME} since" in said
    outputs = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert "the other builder made it" in outputs[1]
    assert "[5/9]" not in outputs[1]
    assert len(small.records()) == 1
    assert small.left_over() == []


def test_who_waits_for_a_builder_that_is_killed_builds_itself(small: SmallBuild) -> None:
    small.before["compile"] = "sleep 3"
    small.write()
    first = small.start()
    read_until(first, "[5/9] compile")
    second = small.start()
    read_until(second, "waiting for")
    kill(first)
    output = second.communicate(timeout=120)[0]
    assert second.returncode == 0, output
    assert "[5/9] compile" in output
    assert len(small.records()) == 1


@pytest.mark.long
def test_killed_while_the_clean_root_is_made_and_then_made_anew(small: SmallBuild) -> None:
    roots = small.cache / "build-roots"
    roots.unlink()  # the machine's own ones are left alone
    process = small.start("--fresh-root", NAME)
    read_until(process, "making a clean Debian bookworm root")
    wait_for(lambda: any(roots.glob(".*new-*/usr/bin")), "the first files of the root")
    assert kill(process) == -signal.SIGKILL
    wait_for(lambda: str(roots) not in mentioned(), "the end of mmdebstrap")
    assert str(roots) not in Path("/proc/self/mounts").read_text()
    assert not [path for path in roots.iterdir() if not path.name.startswith(".")]
    first = small.built()
    assert len([path for path in roots.iterdir() if path.is_dir()]) == 1, "what was half-made is gone"
    again = small.run("--fresh-root", "--again", NAME)
    assert again.returncode == 0, again.stderr
    assert len([path for path in roots.iterdir() if path.is_dir()]) == 2
    assert f"is reproducible: {first['digest']}" in again.stderr


def mentioned() -> str:
    """Command lines of everything that runs here."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text())
        except OSError:
            continue
    return "".join(found)
