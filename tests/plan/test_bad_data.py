"""Row 37: wrong data ends raw pyinfra, and wslgpu, with 2 and one line of file and number; no host is contacted.

test_plan.py has the plainest cases.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
INVENTORY = Path(__file__).with_name("fake_hosts.py")
PYINFRA = ("pyinfra", str(INVENTORY), "deploy.py", "--dry")
WSLGPU = ("wslgpu.cli", "apply", str(INVENTORY), "--dry")

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nno_proxy: [*c, *c]\n"
SITES = {
    "digest": (
        "cuda_images:\n- role: base\n  repository: docker.io/nvidia/cuda\n  tag: x\n  digest: sha256:12\n"
        "  size_bytes: 1\n",
        5,
        "digest",
    ),
    "type": ("profile: current\n\nwsl_required: perhaps\n", 3, "wsl_required"),
    "profile": ("profile: newest\n", 1, "newest"),
    "alias bomb": (BOMB, 2, "alias"),
    "password in the address": ("proxy_url: http://ann:hunter2@proxy:3128\n", 1, "proxy_url"),
}


def run(words: tuple[str, ...], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables, "PYINFRA_PROGRESS": "off"}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> str:
    """Assert that this was refused in one line of ours that holds all words; returns the line."""
    assert done.returncode == 2, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "Connected" not in said
    assert "Connecting" not in said
    lines = [line for line in said.splitlines() if line.startswith("wslgpu: ")]
    assert len(lines) == 1, said
    assert all(word in lines[0] for word in words), lines[0]
    return lines[0]


@pytest.mark.parametrize("name", SITES)
def test_fault_37_site_under_raw_pyinfra(tmp_path: Path, name: str) -> None:
    text, line, word = SITES[name]
    site = tmp_path / "site.yml"
    site.write_text(text)
    said = refused(run(PYINFRA, WSLGPU_SITE=str(site)), f"{site}:{line}: ", word)
    assert "hunter2" not in said


def test_fault_37_site_under_wslgpu(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text("wsl_required: true\ncontainerd_versoin: 1.0-1\n")
    refused(run((*WSLGPU, "--site", str(site))), f"{site}:2: ", "containerd_versoin")
    refused(run((*WSLGPU, "--site", str(tmp_path / "none.yml"))), "none.yml")


def test_fault_37_value_that_comes_past_the_files() -> None:
    done = run((*PYINFRA, "--data", "clock_skew_limit_s=soon"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "clock_skew_limit_s" in done.stderr
    assert "Traceback" not in done.stderr


FLEETS = {
    "empty": ("", 1, ""),
    "no host": ("schema: 1\nhosts: {}\n", 2, "hosts"),
    "host twice": ("schema: 1\nhosts:\n  a: {address: 192.0.2.1}\n  a: {address: 192.0.2.2}\n", 4, "a"),
    "address twice": ("schema: 1\nhosts:\n  a: {address: 192.0.2.1}\n  b: {address: 192.0.2.1}\n", 4, "b"),
    "group": ("schema: 1\nhosts:\n  a: {address: 192.0.2.1, groups: [gpus]}\n", 3, "groups"),
}


@pytest.mark.parametrize("name", FLEETS)
def test_fault_37_fleet_under_raw_pyinfra(tmp_path: Path, name: str) -> None:
    text, line, word = FLEETS[name]
    fleet = tmp_path / "fleet.yml"
    fleet.write_text(text)
    done = run(("pyinfra", "inventory/fleet.py", "deploy.py", "--dry"), WSLGPU_FLEET=str(fleet))
    said = refused(done, str(fleet), word)
    assert f"{fleet}:{line}" in said, said
