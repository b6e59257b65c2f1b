"""A build from its pins to the store, with the real clean root and the real sandbox."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.lab.support.small_build import FILES, NAME, TIME, SmallBuild
from wslgpu.build.record import ArtifactRecord
from wslgpu.store.folder import Store

pytestmark = pytest.mark.lab


@pytest.fixture
def small(tmp_path: Path) -> SmallBuild:
    return SmallBuild(tmp_path)


def test_what_is_built_is_stored_and_not_built_twice(small: SmallBuild) -> None:
    first = small.run()
    assert first.returncode == 0, first.stderr
    (record,) = Store(small.store).records()
    assert f"{record.name} {record.digest}" in first.stdout
    assert (record.build, record.base, record.requirements.sonames) == (NAME, "bookworm", ("libc.so.6",))
    assert record.key_parts["package make"], "the exact versions of the root are part of the key"
    archive = Store(small.store).open_archive(record)
    with tarfile.open(archive) as tar:
        assert {member.mtime for member in tar} == {TIME}
        assert [member.name for member in tar if member.isreg()] == ["bin/hello", "share/doc/hello/LICENSE"]
    assert small.left_over() == []
    logs = list((small.cache / "logs").iterdir())

    second = small.run()
    assert second.returncode == 0, second.stderr
    assert "same key, nothing to build" in second.stderr
    assert list((small.cache / "logs").iterdir()) == logs
    assert small.built() == {**json.loads(record.model_dump_json(by_alias=True)), "name": record.name}


def test_steps_are_told_with_number_and_estimate(small: SmallBuild) -> None:
    first = small.run()
    for number, step in enumerate(
        ("root", "sources", "unpack", "configure", "compile", "install", "prove", "pack", "store"), start=1
    ):
        assert f"[{number}/9] {step}:" in first.stderr
    assert "about 5 s (the recipe's guess" in first.stderr
    small.row = {"options": {"name": "moon"}}
    small.write()
    second = small.run()
    assert "measured here on" in second.stderr
    assert str(small.cache / "logs") in second.stderr


def test_folder_time_jobs_and_ccache_do_not_change_the_bytes(small: SmallBuild, tmp_path: Path) -> None:
    one = small.built(NAME, "--jobs", "1")
    (tmp_path / "other" / "deeper").mkdir(parents=True)
    other = SmallBuild(tmp_path / "other" / "deeper" / "place")
    other.environment = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "CFLAGS": "-O0", "HOME": "/root"}
    two = other.built(NAME, "--jobs", "7", "--no-ccache")
    assert one["key"] == two["key"]
    assert one["digest"] == two["digest"]


def test_again_proves_that_a_build_is_reproducible(small: SmallBuild) -> None:
    record = small.built()
    again = small.run(NAME, "--again")
    assert again.returncode == 0, again.stderr
    assert f"is reproducible: {record['digest']} came out again" in again.stderr
    assert "[5/9] compile" in again.stderr


def test_again_names_what_is_not_reproducible_and_keeps_both(small: SmallBuild) -> None:
    small.before["install"] = "mkdir -p /out/share; date +%s.%N >/out/share/when"
    small.write()
    record = small.built()
    again = small.run(NAME, "--again", "--json")
    assert again.returncode == 1
    error = json.loads(again.stdout)["error"]
    assert error["class"] == "integrity"
    assert "not reproducible" in error["what"]
    assert record["digest"] in error["what"]
    kept = Path(error["where"])
    assert {"stored.tar", "again.tar"} <= {path.name for path in kept.iterdir()}
    assert (kept / "stored.tar").read_bytes() != (kept / "again.tar").read_bytes()
    assert small.records() == [record["name"]]


CHANGES = {
    "option": "option name: world -> moon",
    "source": "source hello changed: ",
    "script": "recipe file build.sh changed",
    "patch": "recipe file patches/hello-01-louder.patch: added",
    "package": "package patchutils: added",
    "version": "version: 1.0 -> 1.1",
}
LOUDER = """\
--- a/greet.c
+++ b/greet.c
@@ -1,2 +1,2 @@
 #include <stdio.h>
-void greet(const char *name) { printf("hello %s from %s\\n", name, __FILE__); }
+void greet(const char *name) { printf("HELLO %s from %s\\n", name, __FILE__); }
"""


def test_explain_names_the_part_that_changed(small: SmallBuild) -> None:
    before = small.run(NAME, "--explain")
    assert "not in the store, and no other artifact" in before.stdout
    record = small.built()
    same = small.run(NAME, "--explain")
    assert f"key {record['key']}" in same.stdout
    assert f"in the store: {record['name']}; nothing would be built" in same.stdout
    keys = {record["key"]}
    for change in ("option", "script", "patch", "source", "version"):
        other = SmallBuild(small.path / change)
        other.store = small.store
        if change == "option":
            other.row = {"options": {"name": "moon"}}
        elif change == "script":
            other.before["install"] = ": nothing"
        elif change == "patch":
            (other.recipes / "hello/patches/hello-01-louder.patch").write_text(LOUDER)
        elif change == "source":
            other.write_source({**FILES, "more.txt": "more\n"})
        else:
            other.row = {"version": "1.1"}
        other.write()
        said = other.run(NAME, "--explain", "--json")
        found = json.loads(said.stdout)["builds"][0]
        assert [line for line in found["changes"] if line.startswith(CHANGES[change])], (change, found["changes"])
        assert len(found["changes"]) == 1, found["changes"]
        assert found["stored"] == ""
        assert found["compared_with"] == record["name"]
        keys.add(found["key"])
    assert len(keys) == 6
    assert small.records() == [record["name"]]


def test_a_patch_is_applied_and_one_that_does_not_fit_is_named(small: SmallBuild) -> None:
    patch = small.recipes / "hello/patches/hello-01-louder.patch"
    patch.write_text(LOUDER)
    record = ArtifactRecord.model_validate(
        {key: value for key, value in small.built().items() if key != "name"}, strict=False
    )
    with tarfile.open(Store(small.store).open_archive(record)) as tar:
        program = tar.extractfile("bin/hello")
        assert program is not None
        assert b"HELLO %s" in program.read()
    patch.write_text(LOUDER.replace("#include <stdio.h>", "#include <stdlib.h>"))
    refused = small.run()
    assert refused.returncode == 2
    assert "the patch hello-01-louder.patch does not apply to the source hello" in refused.stderr
    assert small.left_over() == []


def test_a_dry_run_tells_sources_steps_and_estimate_and_makes_nothing(small: SmallBuild) -> None:
    said = small.run(NAME, "--dry")
    assert said.returncode == 0, said.stderr
    for word in ("source hello: hello 1.0", f"folder {small.sources}", "steps: root, sources", "about 5 s", "2 jobs"):
        assert word in said.stdout
    assert not small.store.exists()
    assert {path.name for path in small.cache.iterdir()} == {"build-roots"}


def test_a_hash_that_nobody_knows_is_dry_run_but_not_built(small: SmallBuild) -> None:
    text = small.site.read_text()
    start = text.index("sha256: ") + len("sha256: ")
    small.site.write_text(text[:start] + "unresolved" + text[start + 64 :])
    dry = small.run(NAME, "--dry")
    assert dry.returncode == 0, dry.stderr
    assert "has no hash yet, so it cannot be used" in dry.stdout
    built = small.run()
    assert built.returncode == 2
    assert "has no sha256 yet" in built.stderr


INSIDE = r"""
echo "uid $(id -u) $(id -un)"
echo "capabilities $(sed -n 's/^CapEff:\t//p' /proc/self/status) $(sed -n 's/^CapBnd:\t//p' /proc/self/status)"
echo "no new privileges $(sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
echo "interfaces $(sed -n 's/^ *\([a-z0-9]*\):.*/\1/p' /proc/net/dev | tr '\n' ' ')"
echo "routes $(tail -n +2 /proc/net/route | wc -l)"
echo "processes $(ls -d /proc/[0-9]* | wc -l)"
echo "host $(cat /proc/sys/kernel/hostname) umask $(umask) zone $TZ epoch $SOURCE_DATE_EPOCH"
for place in / /usr /recipe /etc /sources; do
    if touch $place/.tried 2>/dev/null; then echo "can write $place"; else echo "cannot write $place"; fi
done
if mount -t tmpfs none /mnt 2>/dev/null; then echo "can mount"; else echo "cannot mount"; fi
if chown 0 /build/hello.c 2>/dev/null; then echo "can chown"; else echo "cannot chown"; fi
[ -e /root/.bashrc ] && [ -r /etc/shadow ] && echo "can read what is root's"
env | sed 's/=.*//' | sort | tr '\n' ' '
"""


def test_inside_there_is_no_network_no_right_and_nothing_of_the_machine(small: SmallBuild) -> None:
    small.before["compile"] = INSIDE
    small.environment["SECRET_TOKEN"] = "canary-4711"
    small.write()
    small.built()
    log = small.log()
    said = log.splitlines()
    assert "uid 65532 build" in said
    assert "capabilities 0000000000000000 0000000000000000" in said
    assert "no new privileges 1" in said
    assert "interfaces lo " in said
    assert "routes 0" in said
    assert f"host build umask 0022 zone UTC epoch {TIME}" in said
    (processes,) = [int(line.split()[1]) for line in said if line.startswith("processes ")]
    assert processes < 10
    assert {line for line in said if "can write" in line or "cannot write" in line} == {
        "cannot write /",
        "cannot write /usr",
        "cannot write /recipe",
        "cannot write /etc",
        "can write /sources",
    }
    assert {"cannot mount", "cannot chown"} <= set(said)
    assert "SECRET_TOKEN" not in log
    assert "canary-4711" not in log
    assert os.uname().nodename not in log
