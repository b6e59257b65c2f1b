"""Stored artifacts for lab nodes, and what of them stands on a node."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.artifact_records import store_one
from tests.lab.support.nodes import program, wait_until
from wslgpu.artifact_choice import ARTIFACTS, archive_of
from wslgpu.build.record import ArtifactRecord
from wslgpu.facts import script as fact_script
from wslgpu.facts.artifact import ArtifactsState, parse_artifacts
from wslgpu.lab import Node
from wslgpu.node_script import command_line
from wslgpu.operations import script as operation_script
from wslgpu.operations.artifact import payload
from wslgpu.programs import Result

MANIFEST = json.dumps(
    {"ICD": {"api_version": "1.1.303", "library_path": "../../../lib/libvulkan_dzn.so"}, "file_format_version": "1.0.1"}
)


def store_ffmpeg(store: Path, work: Path, mark: str, size_bytes: int = 200_000, **fields: object) -> ArtifactRecord:
    """An artifact by the name of ffmpeg whose programs are text and noise; ``mark`` orders them in time."""
    noise = random.Random(mark).randbytes(size_bytes)  # noqa: S311 - bytes that do not compress
    content: dict[str, str | bytes] = {
        "bin/ffmpeg": noise,
        "bin/ffprobe": f"ffprobe {mark}\n",
        "share/doc/ffmpeg/COPYING": "licence\n",
        "share/doc/ffmpeg/licence with a space": "-> COPYING",
    }
    return store_one(store, work, "ffmpeg", mark, content, created=f"2026-01-01T00:00:{int(mark):02}Z", **fields)


def store_dozen(store: Path, work: Path, mark: str, **fields: object) -> ArtifactRecord:
    """As :func:`store_ffmpeg`, by the name of mesa-dozen, with a manifest."""
    content: dict[str, str | bytes] = {
        "lib/libvulkan_dzn.so": f"library {mark}\n",
        "share/vulkan/icd.d/dzn_icd.x86_64.json": MANIFEST,
        "env.sh": "VK_ADD_DRIVER_FILES=/opt/wslgpu/mesa-dozen/current/share/vulkan/icd.d/dzn_icd.x86_64.json\n",
    }
    return store_one(store, work, "mesa-dozen", mark, content, created=f"2026-01-01T00:00:{int(mark):02}Z", **fields)


def listing(node: Node, *places: str) -> list[str]:
    """Everything below some places: kind, mode, owner, size, link target, path, and of files the hash."""
    program = (
        'for place in "$@"; do [ -e "$place" ] || continue; find "$place" -xdev -printf "%y %m %U:%G %l %p\\n";'
        ' find "$place" -xdev -type f -print0 | xargs -0 -r sha256sum; done | sort'
    )
    return node.nsenter(["sh", "-c", program, "sh", *places], timeout=120).stdout.splitlines()


def links(node: Node, artifact: str) -> dict[str, str]:
    """What ``current`` and ``previous`` point at."""
    program = (
        'cd "$1" 2>/dev/null && for link in current previous; do [ -L $link ] && echo $link $(readlink $link); done'
    )
    text = node.nsenter(["sh", "-c", program, "sh", f"/opt/wslgpu/{artifact}"], check=False).stdout
    return dict(line.split(" ", 1) for line in text.splitlines())


def versions(node: Node, artifact: str) -> list[str]:
    """Everything in an artifact's folder but the two links, interrupted work included."""
    text = node.nsenter(f"ls -A /opt/wslgpu/{artifact} 2>/dev/null", check=False).stdout
    return sorted(name for name in text.splitlines() if name not in ("current", "previous"))


def is_whole(node: Node, artifact: str) -> bool:
    """Whether what ``current`` leads to has all its files, as they were packed."""
    return node.nsenter(
        f"cd /opt/wslgpu/{artifact}/current && sha256sum --check --quiet --strict .wslgpu/files.sha256", check=False
    ).ok


def state_of(node: Node) -> ArtifactsState:
    """What the deploy's fact reads, without a deploy around it."""
    line = command_line(fact_script.SCRIPTS / "artifact.sh", ARTIFACTS)
    return parse_artifacts(node.nsenter(line).stdout.splitlines())


def _install_line(record: ArtifactRecord) -> str:
    words = (record.artifact, record.folder, record.digest)
    return command_line(operation_script.SCRIPTS / "artifact_install.sh", words)


def install(node: Node, record: ArtifactRecord) -> Result:
    """What the deploy's operation sends, without a deploy around it; the archive is of the store in force."""
    stdin = "".join(f"{line}\n" for line in payload(record, archive_of(record))).encode()
    return node.nsenter(_install_line(record), stdin=stdin, check=False, timeout=120)


HANG = """\
#!/bin/sh
echo >>/run/hang.calls
[ "$(wc -l </run/hang.calls)" -lt {number} ] || {{ touch /run/hangs; exec sleep 600; }}
exec {path} "$@"
"""


@contextlib.contextmanager
def installing_hangs(node: Node, record: ArtifactRecord, name: str, number: int) -> Iterator[None]:
    """An install that has come to its ``number``-th call of a program and waits there; killed by SIGKILL at the end."""
    path = node.nsenter(f"command -v {name}").stdout.strip()
    node.nsenter("rm -f /run/hangs /run/hang.calls")
    lines = "".join(f"{line}\n" for line in payload(record, archive_of(record)))
    with program(node, name, HANG.format(number=number, path=path)):
        argv = node.nsenter_argv(["sh", "-c", _install_line(record)])
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            process.stdin.write(lines.encode())
            process.stdin.close()
            try:
                wait_until(node, "test -e /run/hangs")
                yield
            finally:
                # the pattern is no word of this command line itself
                node.nsenter("kill -9 $(pgrep -f '[w]slgpu-artifact_install'); pkill -9 -x sleep; true")
                process.wait()
