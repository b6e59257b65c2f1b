"""vLLM without Kubernetes on a real node: real Podman, Docker and Compose of Debian 13, and a stand-in for vLLM.

The node has cgroup v1, where the lab's memory and CPU limits are real; Podman's own way to put a container into its
unit's control group (--cgroups=split) then needs v2, so a drop-in of the lab's turns that off. It also gives the
container a python3, which vLLM's image has and the stand-in's has not: the health check runs it.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.raw_pyinfra import PROJECT, Run, apply
from wslgpu.lab import Lab, Node, down
from wslgpu.lab.shell import Result

pytestmark = pytest.mark.lab

TASK = "tasks.vllm.vllm"
SERVICE = "Start or stop vLLM"
UNIT = "wslgpu-vllm.service"
MODEL = "/srv/models/demo/model"
DROP_IN = "/etc/containers/systemd/wslgpu-vllm.container.d/lab.conf"
LAB_ONLY = r"""
[Container]
PodmanArgs=--cgroups=enabled
Volume=/usr/bin/python3.13:/usr/bin/python3:ro
Volume=/usr/lib/python3.13:/usr/lib/python3.13:ro
Volume=/usr/lib/x86_64-linux-gnu/libexpat.so.1:/usr/lib/x86_64-linux-gnu/libexpat.so.1:ro
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key"
    path.write_text(f"c4n4ry{secrets.token_hex(16)}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def lab(lab_factory: Callable[..., Lab]) -> Iterator[Lab]:
    made = lab_factory(cgroup="v1")
    yield made
    down(made.name)


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    """A GPU node with a model, and with the lab's registry in place of the public one."""
    for task in ("tasks.base.base", "tasks.containerd.containerd", "tasks.container_toolkit.container_toolkit"):
        run = apply(lab, task)
        assert run.rc == 0, run.text
    made = lab.node()
    site = yaml.safe_load(lab.site_file.read_text())
    mirror = next(row["url"] for row in site["containerd_mirrors"] if row["registry"] == "docker.io")
    registries = f"""
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "{mirror.removeprefix("http://")}"
insecure = true
"""
    write(made, "/etc/containers/registries.conf.d/lab.conf", registries)
    write(made, DROP_IN, LAB_ONLY)
    write(made, "/etc/docker/daemon.json", json.dumps({"features": {"cdi": True}, "registry-mirrors": [mirror]}))
    write(made, f"{MODEL}/config.json", "{}")
    return made


def write(node: Node, path: str, text: str) -> None:
    done = subprocess.run(
        node.ssh_argv(f"mkdir -p $(dirname {path}) && cat >{path}"),
        input=text,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wanted(key: Path) -> dict[str, Any]:
    return {
        "vllm_install": "quadlet",
        "vllm_start": True,
        "vllm_model": "demo/model",
        "vllm_storage": {"claim": "vllm-models", "host_path": "/srv/models"},
        "vllm_api_key_file": str(key),
        "vllm_memory": "1Gi",
        "vllm_cpu_limit": "2",
    }


@pytest.fixture(scope="module")
def quadlet(lab: Lab, node: Node, wanted: dict[str, Any]) -> Run:
    run = apply(lab, TASK, **wanted)
    assert run.rc == 0, run.text
    return run


def status(node: Node, path: str, *, address: str = "127.0.0.1", header: str = "") -> str:
    given = f"--header '{header}'" if header else ""
    address = f"http://{address}:8000{path}"
    return node.run(
        f"curl --silent --max-time 5 --output /dev/null --write-out '%{{http_code}}' {given} {address}"
    ).stdout


def settle(node: Node, wanted_status: str = "200") -> None:
    deadline = time.monotonic() + 60
    while (said := status(node, "/health")) != wanted_status:
        assert time.monotonic() < deadline, f"/health answers {said}: {journal(node)}"
        time.sleep(0.5)


def journal(node: Node) -> str:
    return node.run(f"journalctl --unit={UNIT} --lines=30 --output=cat --no-pager").stdout


def verify(lab: Lab, folder: Path, wanted: dict[str, Any]) -> Result:
    """`wslgpu verify` of this component, with these data."""
    site = folder / "site.yml"
    site.write_text(yaml.safe_dump(wanted))
    words = [sys.executable, "-m", "wslgpu.cli", "verify", "--lab", lab.name, "--suite", "vllm", "--site", str(site)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


def test_the_generator_accepts_the_quadlet(quadlet: Run, node: Node) -> None:
    said = node.run("/usr/lib/systemd/system-generators/podman-system-generator --dryrun")
    assert f"---{UNIT}---" in said.stdout
    assert "unsupported key" not in said.stdout + said.stderr
    assert "--device nvidia.com/gpu=all" in said.stdout
    assert node.run(f"systemctl is-enabled {UNIT}").stdout.strip() == "generated"


def test_it_answers_on_loopback_alone_and_only_who_has_the_key(quadlet: Run, node: Node, key: Path) -> None:
    settle(node)
    bearer = f"Authorization: Bearer {key.read_text().strip()}"
    assert status(node, "/v1/models") == "401"
    assert status(node, "/v1/models", header="Authorization: Bearer wrong") == "401"
    assert status(node, "/v1/models", header=bearer) == "200"
    assert node.address != "127.0.0.1"
    assert status(node, "/health", address=node.address) == "000"
    listening = node.run("ss -Hltn 'sport = :8000'").stdout.split()
    assert "127.0.0.1:8000" in listening
    assert not [word for word in listening if word.endswith(":8000") and not word.startswith("127.")]


def test_shared_memory_limits_and_health_are_as_rendered(quadlet: Run, node: Node) -> None:
    settle(node)
    inspected = json.loads(node.run("podman inspect wslgpu-vllm 2>/dev/null", check=True).stdout)[0]
    assert inspected["HostConfig"]["ShmSize"] == 1 << 30
    assert inspected["HostConfig"]["Memory"] == 2 << 30
    assert inspected["HostConfig"]["ReadonlyRootfs"] is True
    assert not inspected["EffectiveCaps"]
    size = node.run("podman exec wslgpu-vllm df -B1 --output=size /dev/shm 2>/dev/null", check=True).stdout.split()[-1]
    assert int(size) == 1 << 30
    assert node.run("podman healthcheck run wslgpu-vllm").ok
    assert "visible GPUs: 1; ranks: 1" in journal(node)


def test_the_key_is_seen_nowhere(quadlet: Run, node: Node, key: Path) -> None:
    secret = key.read_text().strip()
    # what holds it at all, so that a search that finds nothing means something
    assert node.run("cat /etc/wslgpu/vllm/api-key").stdout == secret
    assert node.run("stat -c %a /etc/wslgpu/vllm/api-key").stdout.strip() == "600"
    assert secret not in quadlet.text
    places = (
        "podman inspect wslgpu-vllm",
        f"systemctl cat {UNIT}",
        f"journalctl --unit={UNIT} --no-pager",
        "cat /etc/containers/systemd/wslgpu-vllm.container",
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' '",
    )
    for place in places:
        said = node.run(place)
        assert said.stdout.strip(), place
        assert secret not in said.stdout + said.stderr, place


def test_a_second_run_changes_nothing(quadlet: Run, lab: Lab, wanted: dict[str, Any]) -> None:
    assert apply(lab, TASK, **wanted).changed == ()


def test_the_suite_is_green(quadlet: Run, node: Node, lab: Lab, wanted: dict[str, Any], tmp_path: Path) -> None:
    settle(node)
    said = verify(lab, tmp_path, wanted)
    assert said.rc == 0, said.stdout + said.stderr


def test_another_key_is_another_key_at_once(
    quadlet: Run, lab: Lab, node: Node, wanted: dict[str, Any], tmp_path: Path, key: Path
) -> None:
    other = tmp_path / "key"
    other.write_text(secrets.token_hex(16))
    other.chmod(0o600)
    run = apply(lab, TASK, **{**wanted, "vllm_api_key_file": str(other)})
    assert run.changed == ("Keep /etc/wslgpu/vllm/api-key", SERVICE)
    settle(node)
    assert status(node, "/v1/models", header=f"Authorization: Bearer {key.read_text().strip()}") == "401"
    assert status(node, "/v1/models", header=f"Authorization: Bearer {other.read_text()}") == "200"
    assert apply(lab, TASK, **wanted).rc == 0
    settle(node)


def test_a_model_that_is_missing_is_named_and_what_runs_goes_on(
    quadlet: Run, lab: Lab, node: Node, wanted: dict[str, Any]
) -> None:
    run = apply(lab, TASK, **{**wanted, "vllm_model": "demo/none"})
    (error,) = run.errors
    assert "/srv/models/demo/none is not there" in error.what
    assert error.exit_code == 2
    assert status(node, "/health") == "200"
    assert apply(lab, TASK, **wanted).rc == 0


def test_a_port_that_is_taken_names_who_has_it(quadlet: Run, lab: Lab, node: Node, wanted: dict[str, Any]) -> None:
    node.run(f"systemctl stop {UNIT}", check=True)
    node.run("systemd-run --unit=lab-port --quiet python3 -m http.server 8000 --bind 127.0.0.1", check=True)
    settle(node, "404")
    try:
        (error,) = apply(lab, TASK, **wanted).errors
        assert 'port 8000 is taken by "python3"' in error.what
        assert error.exit_code == 1
    finally:
        node.run("systemctl stop lab-port", check=True)
    assert apply(lab, TASK, **wanted).rc == 0
    settle(node)


def test_a_digest_that_the_registry_has_not_is_a_clear_end(
    quadlet: Run, lab: Lab, node: Node, wanted: dict[str, Any]
) -> None:
    versions = yaml.safe_load(lab.site_file.read_text())["vllm_versions"]
    versions["0.29.0"]["image"]["digest"] = f"sha256:{'1' * 64}"
    (error,) = apply(lab, TASK, **{**wanted, "vllm_versions": versions}).errors
    assert "does not start" in error.what
    assert "manifest" in error.what
    # it is not tried again and again
    assert node.run(f"systemctl is-active {UNIT}").stdout.strip() == "inactive"
    assert apply(lab, TASK, **wanted).rc == 0
    settle(node)


def test_it_is_stopped_where_the_data_do_not_start_it(
    quadlet: Run, lab: Lab, node: Node, wanted: dict[str, Any], tmp_path: Path
) -> None:
    stopped = {**wanted, "vllm_start": False}
    assert apply(lab, TASK, **stopped).rc == 0
    assert status(node, "/health") == "000"
    assert apply(lab, TASK, **stopped).changed == ()
    said = verify(lab, tmp_path, stopped)
    assert said.rc == 0, said.stdout + said.stderr


def test_compose_takes_its_place(
    quadlet: Run, lab: Lab, node: Node, wanted: dict[str, Any], tmp_path: Path, key: Path
) -> None:
    refused = apply(lab, TASK, **{**wanted, "vllm_install": "compose"})
    assert "no Docker engine answers" in refused.errors[0].what
    packages = "docker.io docker-cli docker-compose tini"
    install = f"DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install {packages}"
    assert node.run(install, timeout=300).ok
    compose = {**wanted, "vllm_install": "compose"}
    run = apply(lab, TASK, **compose)
    assert run.rc == 0, run.text
    settle(node)
    assert status(node, "/v1/models") == "401"
    assert status(node, "/v1/models", header=f"Authorization: Bearer {key.read_text().strip()}") == "200"
    assert status(node, "/health", address=node.address) == "000"
    assert not node.run("test -e /etc/containers/systemd/wslgpu-vllm.container").ok
    assert apply(lab, TASK, **compose).changed == ()
    said = verify(lab, tmp_path, compose)
    assert said.rc == 0, said.stdout + said.stderr


def test_nothing_is_left_where_the_data_ask_for_none(
    quadlet: Run, lab: Lab, node: Node, wanted: dict[str, Any], tmp_path: Path
) -> None:
    none = {**wanted, "vllm_install": "none"}
    assert apply(lab, TASK, **none).rc == 0
    assert apply(lab, TASK, **none).changed == ()
    assert status(node, "/health") == "000"
    assert not node.run("ls -d /etc/wslgpu/vllm /etc/wslgpu/compose").stdout
    assert node.run(f"cat {MODEL}/config.json").stdout == "{}", "the model is nobody's to remove"
    assert "wslgpu" not in node.run("podman secret ls; podman ps -a; docker ps -a").stdout
    said = verify(lab, tmp_path, none)
    assert said.rc == 0, said.stdout + said.stderr
