"""vLLM on the genuine control plane of the lab: what is rendered is scheduled, started, and answers who has the key."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.raw_pyinfra import PROJECT
from tests.lab.support.cluster import wait_until
from wslgpu.lab import Lab
from wslgpu.lab.shell import Result

pytestmark = pytest.mark.lab

NAMESPACE = "gpu-workloads"
PLATFORM = ("runtime-class", "device-plugin", "namespace")
LABEL = "app.kubernetes.io/name=vllm"


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "key"
    key.write_text(f"c4n4ry{secrets.token_hex(16)}\n")
    key.chmod(0o600)
    return {
        "vllm_model": "demo/model",
        "vllm_storage": {"claim": "vllm-models", "host_path": "/srv/models", "size": "1Gi"},
        "vllm_api_key_file": str(key),
        "vllm_memory": "1Gi",
        "vllm_cpu_request": "100m",
        "vllm_cpu_limit": "1",
    }


def workload(
    lab: Lab, folder: Path, action: str, names: tuple[str, ...], wanted: dict[str, Any], *words: str
) -> Result:
    """`wslgpu workload ACTION` with the lab's data and these."""
    site = folder / "site.yml"
    site.write_text(yaml.safe_dump({**yaml.safe_load(lab.site_file.read_text()), **wanted}))
    command = [sys.executable, "-m", "wslgpu.cli", "workload", action, *names, "--lab", lab.name, "--site", str(site)]
    done = subprocess.run([*command, *words], cwd=PROJECT, capture_output=True, text=True, timeout=400, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


def pod(lab: Lab) -> dict[str, Any]:
    """vLLM's one pod."""
    asked = lab.kubernetes.kubectl("get", "pods", "-n", NAMESPACE, "-l", LABEL, "-o", "json", check=True)
    (found,) = json.loads(asked.stdout)["items"]
    return dict(found)


def log(lab: Lab, container: str) -> str:
    """What a container of the pod has said; empty before it has begun."""
    name = pod(lab)["metadata"]["name"]
    return lab.kubernetes.kubectl("logs", name, "-n", NAMESPACE, "-c", container).stdout


def status(lab: Lab, path: str, key: str = "") -> str:
    header = f"--header 'Authorization: Bearer {key}'" if key else ""
    address = f"http://{pod(lab)['status']['podIP']}:8000{path}"
    words = f"curl --silent --max-time 5 --output /dev/null --write-out '%{{http_code}}' {header} {address}"
    return lab.kubernetes.node.run(words).stdout


def test_vllm_from_nothing_to_an_answer_and_off_again(cluster: Lab, wanted: dict[str, Any], tmp_path: Path) -> None:
    node, kubectl = cluster.kubernetes.node, cluster.kubernetes.kubectl
    node.run("rm -rf /srv/models && mkdir -p /srv/models/demo", check=True)
    done = workload(cluster, tmp_path, "apply", PLATFORM, wanted)
    assert done.rc == 0, done.stdout + done.stderr

    # the folder of the models is there, the model is not: named by the start check, and vLLM is not tried
    done = workload(cluster, tmp_path, "apply", ("vllm-storage", "vllm"), wanted, "--wait", "20")
    assert done.rc != 0
    missing = "there is no model at /models/demo/model"
    wait_until(lambda: missing in log(cluster, "start-check"), f"{missing!r} in the start check's log")

    node.run("mkdir /srv/models/demo/model && echo '{}' >/srv/models/demo/model/config.json", check=True)
    kubectl("delete", "pod", "-n", NAMESPACE, "-l", LABEL, check=True, timeout_s=120)
    done = workload(cluster, tmp_path, "apply", ("vllm",), wanted)
    assert done.rc == 0, done.stdout + done.stderr
    key = Path(wanted["vllm_api_key_file"]).read_text().strip()
    assert status(cluster, "/health") == "200"
    assert status(cluster, "/v1/models") == "401"
    assert status(cluster, "/v1/models", key) == "200"
    assert "sees 1 GPUs" in log(cluster, "start-check")
    assert "visible GPUs: 1; ranks: 1" in log(cluster, "vllm")
    name = pod(cluster)["metadata"]["name"]
    user = kubectl("exec", name, "-n", NAMESPACE, "-c", "vllm", "--", "id", "-u", check=True).stdout.strip()
    assert user == "2000"
    assert key not in json.dumps(pod(cluster)) + done.stdout + done.stderr

    done = workload(cluster, tmp_path, "remove", ("vllm",), wanted)
    assert done.rc == 0, done.stdout + done.stderr
    left = kubectl("get", "pvc,deployments", "-n", NAMESPACE, "-o", "name", check=True).stdout.split()
    assert [kind.partition("/")[0] for kind in left] == ["persistentvolumeclaim"], "the models' claim stays"
    assert node.run("cat /srv/models/demo/model/config.json").stdout.strip() == "{}"
