"""What goes wrong while something is built: a clear error, the store whole, nothing half-made (docs/faults.md)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab.support.small_build import FILES, NAME, SmallBuild, share_roots
from wslgpu.store.folder import Store

pytestmark = pytest.mark.lab
MEMORY = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def small(tmp_path: Path) -> SmallBuild:
    return SmallBuild(tmp_path)


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    """A small file system in memory."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "wslgpu-test", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


HOG = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void) { size_t n = 250000000; char *p = malloc(n); memset(p, 1, n); sleep(2); return p[n / 2] - 1; }
"""
EAT = """
gcc -o hog /sources/hello/hog.c
n=$JOBS; pids=""
while [ "$n" -gt 0 ]; do ./hog & pids="$pids $!"; n=$((n - 1)); done
for pid in $pids; do wait "$pid" || { echo "Killed"; exit 1; }; done
"""


@contextlib.contextmanager
def memory_group(limit_bytes: int) -> Iterator[tuple[str, ...]]:
    """Command that runs another one in a memory cgroup of its own, version 1."""
    if not (MEMORY / "memory.limit_in_bytes").exists():
        pytest.skip("this machine has no cgroup v1 memory hierarchy to limit the builder with")
    group = MEMORY / f"wslgpu-test-{os.getpid()}"
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
    try:
        yield ("sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "limited")
    finally:
        group.rmdir()


def test_killed_for_memory_is_named_and_tried_with_half_the_jobs_57(small: SmallBuild) -> None:
    small.write_source({**FILES, "hog.c": HOG})
    small.before["compile"] = EAT
    small.write()
    with memory_group(600_000_000) as within:
        done = small.run(NAME, "--jobs", "2", within=within)
    assert done.returncode == 0, done.stderr
    assert "compile was killed for memory with 2 jobs; once more with 1" in done.stderr
    assert len(small.records()) == 1


def test_killed_for_memory_twice_says_so_57(small: SmallBuild) -> None:
    small.write_source({**FILES, "hog.c": HOG.replace("250000000", "650000000")})
    small.before["compile"] = EAT
    small.write()
    with memory_group(600_000_000) as within:
        done = small.run(NAME, "--jobs", "2", "--json", within=within)
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert "was killed for memory" in error["what"]
    assert "for 1 job" in error["what"]
    assert ".wslconfig" in error["next_step"]
    assert small.records() == []


def test_a_small_machine_starts_with_fewer_jobs_57(small: SmallBuild) -> None:
    small.write_source({**FILES, "hog.c": HOG})
    small.before["compile"] = EAT
    small.recipe["memory_per_job_bytes"] = 300_000_000
    small.write()
    with memory_group(600_000_000) as within:
        done = small.run(within=within)
    assert done.returncode == 0, done.stderr
    assert "1 job: " in done.stderr
    assert "one job may need 300.0 MB" in done.stderr
    assert "killed for memory" not in done.stderr


FILL: dict[str, tuple[dict[str, str | bytes], dict[str, str]]] = {
    "unpack": ({**FILES, "large": bytes(40_000_000)}, {}),
    "configure": ({**FILES}, {"configure": "head -c 40000000 /dev/zero >/build/large"}),
    "compile": ({**FILES}, {"compile": "head -c 40000000 /dev/zero >/tmp/large"}),
    "install": ({**FILES}, {"install": "head -c 40000000 /dev/zero >/out/large"}),
    "packing": ({**FILES}, {"install": "mkdir /out/share; head -c 16000000 /dev/zero >/out/share/large"}),
}


@pytest.mark.parametrize("stage", FILL)
def test_a_disk_that_is_full_in_mid_build_is_named(small: SmallBuild, stage: str) -> None:
    files, before = FILL[stage]
    small.write_source(files)
    small.before = before
    small.write()
    small.cache = small.path / "small"
    with mounted(small.cache, "size=24M"):
        share_roots(small.cache)
        done = small.run(NAME, "--json", "--no-ccache")
        assert done.returncode == 1, done.stderr
        error = json.loads(done.stdout)["error"]
        assert "the disk is full" in error["what"]
        assert stage in error["what"]
        assert str(small.cache) in error["where"]
        assert "Free space there" in error["next_step"]
        assert small.left_over() == []
    assert small.records() == []


def test_a_store_without_room_stays_whole(small: SmallBuild) -> None:
    small.built()
    earlier = small.records()
    full = small.path / "full"
    with mounted(full, "size=1M"):
        subprocess.run(["cp", "-a", f"{small.store}/.", str(full)], check=True)
        small.store = full
        small.before = {"install": "mkdir /out/share; head -c 4000000 /dev/zero >/out/share/large"}
        small.write()
        done = small.run(NAME, "--json")
        assert done.returncode == 1, done.stderr
        said = json.loads(done.stdout)["error"]
        assert "room" in said["what"] or "full" in said["what"] or "free" in said["what"]
        assert str(full) in said["where"]
        store = Store(full)
        assert small.records() == earlier
        assert [store.problems(record) for record in store.records()] == [[]]
        assert store.unnamed_blobs() == {}
    assert small.left_over() == []


def test_a_store_that_is_read_only_is_named_before_anything_is_compiled(small: SmallBuild) -> None:
    small.built()
    small.row = {"options": {"name": "moon"}}
    small.write()
    subprocess.run(["mount", "--bind", str(small.store), str(small.store)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(small.store)], check=True)
        done = small.run()
        assert done.returncode == 1
        assert "the store cannot be written" in done.stderr
        assert "compile" not in done.stderr
        small.row = {}
        small.write()
        assert "same key, nothing to build" in small.run().stderr, "what it has can be had all the same"
    finally:
        subprocess.run(["umount", str(small.store)], check=True)


def test_too_little_room_or_too_few_inodes_are_said_before_anything_is_made(small: SmallBuild) -> None:
    small.recipe["disk_bytes"] = 50_000_000
    small.write()
    small.cache = small.path / "small"
    with mounted(small.cache, "size=24M"):
        share_roots(small.cache)
        done = small.run()
        assert done.returncode == 1
        assert "are free, building hello-1.0 needs 50.0 MB" in done.stderr
    with mounted(small.cache, "size=240M,nr_inodes=1000"):
        share_roots(small.cache)
        done = small.run()
        assert done.returncode == 1
        assert "inodes are free, building hello-1.0 needs" in done.stderr
        assert not (small.cache / "work").exists()


def test_a_compiler_error_is_quoted_and_the_log_named(small: SmallBuild) -> None:
    small.write_source({**FILES, "greet.c": "void greet(const char *name) { oops }\n"})
    small.write()
    done = small.run(NAME, "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert "compile of hello-1.0 failed with status 2" in error["what"]
    assert "greet.c:1:" in error["what"]
    assert "oops" in Path(error["where"]).read_text()
    assert (small.records(), small.left_over()) == ([], [])


def test_what_configure_wrote_down_is_in_the_log(small: SmallBuild) -> None:
    small.before["configure"] = "mkdir ffbuild; echo 'the test program said 4711' >ffbuild/config.log; exit 1"
    small.write()
    assert small.run().returncode == 1
    assert "== the end of /build/ffbuild/config.log\nthe test program said 4711" in small.log()


def test_a_cache_that_cannot_be_written_is_left_out_58(small: SmallBuild) -> None:
    record = small.built()
    place = small.cache / "ccache" / "hello"
    os.chown(place, 0, 0)
    place.chmod(0o500)
    small.row = {"options": {"loud": True}}
    small.write()
    done = small.run()
    assert done.returncode == 0, done.stderr
    assert "warning: the compiler cache cannot be used, so the build runs without it" in done.stderr
    assert str(place) in done.stderr
    assert len(small.records()) == 2
    assert record["name"] in small.records()


@pytest.mark.parametrize("what", ["entries", "configuration", "no folder"])
def test_a_cache_that_is_corrupt_harms_nothing_58(small: SmallBuild, what: str) -> None:
    record = small.built()
    place = small.cache / "ccache" / "hello"
    entries = [path for path in place.rglob("*[RM]") if path.is_file()]
    assert entries, "the first build filled the cache"
    if what == "entries":
        for path in entries:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            path.write_bytes(bytes(data))
    elif what == "configuration":
        (place / "ccache.conf").write_text("max_size = much\n")
    else:
        subprocess.run(["rm", "-r", str(place)], check=True)
        place.write_text("no folder\n")
    Store(small.store).remove([record["name"]])
    done = small.run()
    assert done.returncode == 0, done.stderr
    assert ("warning: the compiler cache cannot be used" in done.stderr) == (what != "entries")
    (again,) = Store(small.store).records()
    assert again.digest == record["digest"]


def test_a_second_build_of_a_changed_recipe_comes_from_the_cache(small: SmallBuild) -> None:
    small.before["install"] = "ccache --print-stats | grep cache_hit"
    small.write()
    cold = small.built()
    small.row = {"options": {"loud": True}}
    small.write()
    warm = small.built()
    assert warm["key"] != cold["key"]
    assert warm["digest"] == cold["digest"], "the option changes nothing here, and neither does the cache"
    hits = [int(line.split()[1]) for line in small.log().splitlines() if "cache_hit" in line and line[0] in "dp"]
    assert sum(hits) == 3, small.log()  # two objects, and the trial whether the cache can be used


def test_a_build_dependency_that_the_base_lacks_is_named(small: SmallBuild) -> None:
    small.recipe["packages"] = ["gcc", "no-such-compiler"]
    small.write()
    done = small.run(NAME, "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert "Debian bookworm has no package no-such-compiler" in error["what"]
    assert "hello" in error["what"]
    assert Path(error["where"]).is_file()


def test_wrong_data_is_named_by_line(small: SmallBuild) -> None:
    small.row = {"options": {"quiet": True}}
    small.write()
    done = small.run()
    assert done.returncode == 2
    assert "site.yml:" in done.stderr
    assert "the recipe hello has no such option. Known: loud, name" in done.stderr
    small.row = {"options": {"name": "mars"}}
    small.write()
    assert "must be one of world, moon" in small.run().stderr
    small.row = {"sources": {"hello": NAME, "other": NAME}}
    small.write()
    assert "the recipe hello has no such role" in small.run().stderr
    small.row = {"sources": {}}
    small.write()
    assert "needs a source for hello" in small.run().stderr
    assert not (small.cache / "work").exists()


def test_a_script_with_windows_line_ends_is_named_by_line_55(small: SmallBuild) -> None:
    script = small.recipes / "hello" / "build.sh"
    script.write_text(script.read_text().replace("compile)", "compile) true\r\n"))
    done = small.run()
    assert done.returncode == 2
    assert f"{script}:6: ends its lines as Windows does (CRLF)" in done.stderr


def test_another_architecture_is_refused_by_name_43(small: SmallBuild) -> None:
    programs = small.path / "bin"
    programs.mkdir()
    (programs / "dpkg").write_text("#!/bin/sh\necho arm64\n")
    (programs / "dpkg").chmod(0o755)
    small.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    done = small.run()
    assert done.returncode == 2
    assert "this machine is arm64" in done.stderr


def test_building_needs_root_and_says_so(small: SmallBuild) -> None:
    somebody = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    done = small.run(within=somebody)
    assert done.returncode == 2, done.stderr
    assert "building needs root" in done.stderr
    assert "wslgpu store pull" in done.stderr


def test_of_several_builds_one_that_fails_does_not_keep_the_others_from_being_built(small: SmallBuild) -> None:
    text = yaml.safe_load(small.site.read_text())
    rows = text["builds"]
    rows["hello-bad"] = {**rows[NAME], "options": {"name": "moon"}}
    rows["hello-moon"] = {**rows[NAME], "options": {"loud": True}}
    small.site.write_text(json.dumps(text))
    script = small.recipes / "hello" / "build.sh"
    script.write_text(script.read_text().replace("compile)", 'compile) [ "$OPTION_NAME" = world ]\n'))
    done = small.run("hello-bad", "hello-moon", NAME, "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert [record["build"] for record in said["builds"]] == ["hello-moon", NAME], done.stderr
    assert [error["class"] for error in said["errors"]] == ["platform"]
    assert said["exit_code"] == 1
    assert "hello-moon [5/9] compile" in done.stderr
