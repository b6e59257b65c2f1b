"""What is looked at in the pod before vLLM starts, run for real with a program in nvidia-smi's place."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wslgpu.workloads.vllm import START_CHECK


def start_check(tmp_path: Path, smi: str, *words: str, mounts: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run it with a program nvidia-smi that says this, and with these mounts."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{smi}\n")
    program.chmod(0o755)
    return subprocess.run(
        ["/bin/sh", str(START_CHECK), *words],
        env={
            "PATH": f"{program.parent}:/usr/bin:/bin",
            "WSLGPU_MOUNTINFO": str(mounts or "/proc/self/mountinfo"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


TWO = "echo 'GPU 0: NVIDIA L20 (UUID: GPU-1)'; echo 'GPU 1: NVIDIA L20 (UUID: GPU-2)'"


def test_the_start_check_passes_where_all_is_there(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    done = start_check(tmp_path, TWO, "2", "1024", str(model))
    assert (done.returncode, done.stderr) == (0, "")
    assert "sees 2 GPUs" in done.stdout


@pytest.mark.parametrize(
    ("smi", "words", "said"),
    [
        (TWO, ("4", "1024"), "sees 2 GPUs and vLLM is to use 4"),
        ("echo 'Failed to initialize NVML' >&2; exit 9", ("1", "1024"), "Failed to initialize NVML; it ended with 9"),
        (TWO, ("2", str(1 << 60)), "set vllm_shared_memory"),
        (TWO, ("2", "1024", "/nonexistent/model"), "config.json is missing"),
    ],
)
def test_the_start_check_names_what_is_missing(tmp_path: Path, smi: str, words: tuple[str, ...], said: str) -> None:
    done = start_check(tmp_path, smi, *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_start_check_names_all_at_once(tmp_path: Path) -> None:
    done = start_check(tmp_path, "exit 1", "1", str(1 << 60), "/nonexistent")
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.parametrize("kind", ["9p", "drvfs", "virtiofs", "ext4"])
def test_the_start_check_knows_a_windows_drive(tmp_path: Path, kind: str) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 0:1 / / rw - ext4 /dev/sdc rw\n"
        f"2 1 0:2 / {tmp_path.parent} rw,noatime shared:1 master:2 - {kind} drvfs rw\n"
        f"3 1 0:3 / {tmp_path}/mod rw - xfs /dev/sdd rw\n"
    )
    done = start_check(tmp_path, TWO, "2", "1024", str(model), mounts=mounts)
    assert done.returncode == (0 if kind == "ext4" else 1), done.stderr
    assert ("Windows drive" in done.stderr) == (kind != "ext4")
