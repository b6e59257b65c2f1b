"""What deploy.py lists for which host, on pyinfra's hosts that answer nothing, and what is refused before that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wslgpu.settings import PROJECT_ROOT

EVERYWHERE = ["Preflight", "WSL", "Base"]
GPU = ["containerd", "NVIDIA Container Toolkit", "Video CDI", "CUDA images"]
ARTIFACTS = ["Mesa Dozen", "FFmpeg"]
WORKLOADS = ["Kubernetes", "vLLM"]
NO_STORE = {"WSLGPU_STORE_DIR": "/nonexistent/store"}
"""What this machine's own store holds is no part of the plan."""


def pyinfra(inventory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyinfra", str(inventory), *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, **NO_STORE, "PYINFRA_FAKE_DELAY": "0", "PYINFRA_FAKE_DELAY_JITTER": "0", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """Two GPU nodes, of which one has fewer images, one node that builds, and one node in no group of ours."""
    path = tmp_path / "hosts.py"
    path.write_text(
        'gpu_nodes = ["@fake/one", ("@fake/two", {"cuda_images": []})]\nbuild_nodes = ["@fake/builder"]\n'
        'others = ["@fake/three"]\n',
        encoding="utf-8",
    )
    return path


def planned(inventory: Path, *arguments: str) -> dict[str, list[str]]:
    """Operation names by host, in order, as a dry run lists them."""
    done = pyinfra(inventory, "deploy.py", "--dry", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    plan: dict[str, list[str]] = {}
    for row in json.loads(done.stdout)["plan"]:
        for host in {*row["hosts_with_change"], *row["hosts_with_conditional_change"]}:
            plan.setdefault(host, []).append(row["name"])
    return plan


def components(names: list[str]) -> list[str]:
    return list(dict.fromkeys(name.split(" | ")[0] for name in names))


def test_gpu_nodes_get_everything_in_order_and_others_only_what_every_node_needs(inventory: Path) -> None:
    done = pyinfra(inventory, "deploy.py", "--debug-operations", "--json")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    for title in (*EVERYWHERE, *GPU, *ARTIFACTS, *WORKLOADS):
        assert f"{title} | Hold the node's lock" in text
    order = [text.index(f'"{title} | ') for title in (*EVERYWHERE, *GPU, *ARTIFACTS, *WORKLOADS)]
    assert order == sorted(order)


def test_only_gpu_nodes_change_containers(inventory: Path) -> None:
    plan = planned(inventory)
    assert set(plan) == {"@fake/one", "@fake/two", "@fake/builder", "@fake/three"}
    assert set(components(plan["@fake/one"])) & set(GPU) == set(GPU)
    assert not set(components(plan["@fake/three"])) & {*GPU, *ARTIFACTS, *WORKLOADS}
    assert set(components(plan["@fake/builder"])) & {*GPU, *ARTIFACTS, *WORKLOADS} == set(ARTIFACTS)


def test_artifacts_that_are_to_go_are_no_longer_offered_before_they_go(inventory: Path) -> None:
    away = ("--data", "mesa_dozen_install=absent", "--data", "ffmpeg_install=absent")
    done = pyinfra(inventory, "deploy.py", "--debug-operations", "--json", *away)
    assert done.returncode == 0, done.stderr
    steps = ["Mesa Dozen | Offer Dozen to nobody", "Mesa Dozen | Take Dozen away", "FFmpeg | Take FFmpeg away"]
    order = [done.stdout.index(step) for step in steps]
    assert order == sorted(order)
    assert "from the store" not in done.stdout


def test_hosts_with_other_data_keep_the_order(inventory: Path) -> None:
    plan = planned(inventory)
    assert [name for name in plan["@fake/one"] if "image by digest" in name]
    assert not [name for name in plan["@fake/two"] if "image by digest" in name]
    shared = [name for name in plan["@fake/one"] if name in plan["@fake/two"]]
    assert shared == [name for name in plan["@fake/two"] if name in plan["@fake/one"]]


def test_limit_reaches_only_what_it_names(inventory: Path) -> None:
    assert set(planned(inventory, "--limit", "others")) == {"@fake/three"}


@pytest.mark.parametrize(
    ("site", "says"),
    [
        ("containerd_pakage: auto\n", ":1: containerd_pakage: is not a key"),
        ("profile: current\nprofile: current\n", ":2: names the key 'profile' twice"),
        ("container_toolkit_key_fingerprint: 1234\n", ":1: container_toolkit_key_fingerprint: "),
        ("a: [\n", "is not YAML"),
    ],
)
def test_raw_pyinfra_refuses_wrong_data_with_2_before_any_host(
    inventory: Path, tmp_path: Path, site: str, says: str
) -> None:
    path = tmp_path / "site.yml"
    path.write_text(site)
    done = pyinfra(inventory, "deploy.py", "--dry", WSLGPU_SITE=str(path))
    assert done.returncode == 2, done.stderr
    assert f"wslgpu: {path}" in done.stderr
    assert says in done.stderr
    assert "Connecting" not in done.stderr
    assert "Traceback" not in done.stderr


def test_raw_pyinfra_refuses_a_wrong_value_on_its_command_line(inventory: Path) -> None:
    done = pyinfra(inventory, "deploy.py", "--dry", "--data", "apt_lock_timeout_s=soon")
    assert done.returncode == 2, done.stderr
    assert "apt_lock_timeout_s" in done.stderr


def test_raw_pyinfra_refuses_a_wrong_fleet(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yml"
    fleet.write_text("schema: 1\nhosts:\n  a:\n    adress: b\n")
    done = pyinfra(Path("inventory/fleet.py"), "deploy.py", "--dry", WSLGPU_FLEET=str(fleet))
    assert done.returncode == 2, done.stderr
    assert f"{fleet}:4: hosts.a.adress" in done.stderr
