"""vLLM as it is rendered: versions, numbers of GPUs, forms."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.rendered_workloads import settings
from wslgpu.errors import UsageError
from wslgpu.workloads.manifest import GPU_RESOURCE, gpus_asked, pod_spec
from wslgpu.workloads.model import Form, NodeTruth, Rendered
from wslgpu.workloads.quadlet import word
from wslgpu.workloads.quantity import as_bytes
from wslgpu.workloads.render import render

FORMS: tuple[Form, ...] = ("kubernetes", "compose", "quadlet")
VERSIONS = ("0.11.1", "0.24.0", "0.28.0", "0.29.0")
HOST_PATH = {"vllm_storage": {"claim": "vllm-models", "host_path": "/srv/models"}}
NCCL = {"NCCL_CUMEM_ENABLE": "0", "NCCL_CUMEM_HOST_ENABLE": "0", "NCCL_P2P_DISABLE": "1"}


def made(form: Form = "kubernetes", truth: NodeTruth | None = None, **changed: Any) -> Rendered:
    return render("vllm", settings(**{**HOST_PATH, **changed}), truth or NodeTruth(), form)


def deployment(rendered: Rendered) -> dict[str, Any]:
    return next(dict(item) for item in rendered.documents if item["kind"] == "Deployment")


def pod(rendered: Rendered) -> dict[str, Any]:
    spec = pod_spec(deployment(rendered))
    assert spec is not None
    return dict(spec)


def service(rendered: Rendered) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(rendered.files["compose.yaml"])["services"]["vllm"]
    return found


def unit(rendered: Rendered) -> dict[str, list[str]]:
    """The values of each key of a quadlet, in order."""
    found: dict[str, list[str]] = {}
    for line in rendered.files["wslgpu-vllm.container"].splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def arguments(rendered: Rendered) -> list[str]:
    if rendered.form == "kubernetes":
        return list(pod(rendered)["containers"][0]["args"])
    if rendered.form == "compose":
        return list(service(rendered)["command"])
    return unit(rendered)["Exec"][0].split()


def environment(rendered: Rendered) -> dict[str, str]:
    if rendered.form == "kubernetes":
        return {row["name"]: row.get("value", "") for row in pod(rendered)["containers"][0]["env"]}
    if rendered.form == "compose":
        return dict(service(rendered)["environment"])
    return dict(row.split("=", 1) for row in unit(rendered)["Environment"])


# -- what all forms share ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("gpus", [1, 2, 4])
def test_ranks_decide_what_is_said_to_nccl_and_to_vllm(form: Form, version: str, gpus: int) -> None:
    rendered = made(form, NodeTruth(gpus=gpus, advertised=1), vllm_version=version)
    words, variables = arguments(rendered), environment(rendered)
    assert words[:2] == ["serve", "/models/Qwen/Qwen3-VL-32B-Instruct"]
    assert words[words.index("--tensor-parallel-size") + 1] == str(gpus)
    assert ("--disable-custom-all-reduce" in words) == (gpus > 1)
    assert {name: variables.get(name) for name in NCCL} == (NCCL if gpus > 1 else dict.fromkeys(NCCL))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("version", "choice", "wanted"),
    [
        ("0.11.1", "auto", None),
        ("0.11.1", "on", None),
        ("0.24.0", "auto", "1"),
        ("0.28.0", "auto", "1"),
        ("0.28.0", "off", None),
        ("0.29.0", "auto", None),
        ("0.29.0", "on", "1"),
    ],
)
def test_pinned_memory_by_version(form: Form, version: str, choice: str, wanted: str | None) -> None:
    rendered = made(form, vllm_version=version, vllm_pin_memory=choice)
    assert environment(rendered).get("VLLM_WSL2_ENABLE_PIN_MEMORY") == wanted
    said = " ".join(rendered.notes)
    assert ("never pins memory" in said) == ((version, choice) == ("0.11.1", "on"))
    assert ("can die at start" in said) == ((version, choice) == ("0.28.0", "off"))


@pytest.mark.parametrize("form", FORMS)
def test_a_local_model_asks_nothing_of_the_internet_and_the_hub_writes_into_the_storage(form: Form) -> None:
    assert environment(made(form))["HF_HUB_OFFLINE"] == "1"
    fetched = made(form, vllm_model_source="hub")
    assert "HF_HUB_OFFLINE" not in environment(fetched)
    assert environment(fetched)["HF_HOME"].startswith("/models/")
    assert arguments(fetched)[1] == "Qwen/Qwen3-VL-32B-Instruct"


@pytest.mark.parametrize("form", FORMS)
def test_the_key_is_in_no_file(form: Form, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("c4n4ry-c4n4ry-c4n4ry")
    key.chmod(0o600)
    rendered = made(form, vllm_api_key_file=str(key))
    text = "".join(rendered.files.values()) + json.dumps(rendered.documents)
    assert "VLLM_API_KEY" in text or form == "compose"
    assert "c4n4ry" not in text
    assert "--api-key" not in arguments(rendered)


@pytest.mark.parametrize("form", FORMS)
def test_no_shell_reads_the_arguments(form: Form) -> None:
    hostile = ["--limit-mm-per-prompt", '{"image": 2}', "$$(VLLM_API_KEY)", "$(VLLM_API_KEY) ${HOME} `id` %n a'b\\c"]
    rendered = made(form, vllm_extra_arguments=hostile)
    if form == "kubernetes":
        container = pod(rendered)["containers"][0]
        assert container["command"] == ["vllm"]
        assert container["args"][-1] == "$$(VLLM_API_KEY) $${HOME} `id` %n a'b\\c"
        # two are read as one, so that three would be one and a variable
        assert container["args"][-2] == "$$$$(VLLM_API_KEY)"
    elif form == "compose":
        assert service(rendered)["entrypoint"] == ["vllm"]
        assert service(rendered)["command"][-1] == "$$(VLLM_API_KEY) $${HOME} `id` %n a'b\\c"
        assert service(rendered)["command"][-2] == "$$$$(VLLM_API_KEY)"
    else:
        assert "--entrypoint=vllm" in unit(rendered)["PodmanArgs"]
        assert unit(rendered)["Exec"][0].endswith('"$$(VLLM_API_KEY) $${HOME} `id` %%n a\'b\\\\c"')


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_what_needs_no_key_is_said_where_others_can_reach_it(form: Form, listen: str) -> None:
    rendered = made(form, vllm_listen=listen, vllm_api_key_file="/nowhere/key")
    said = any("/invocations" in note for note in rendered.notes)
    assert said == (form == "kubernetes" or listen != "127.0.0.1")


@pytest.mark.parametrize("form", FORMS)
def test_an_image_without_a_digest_is_refused(form: Form) -> None:
    versions = settings().as_data()["vllm_versions"]
    versions["0.29.0"]["image"]["digest"] = "unresolved"
    with pytest.raises(UsageError, match="has no digest") as error:
        made(form, vllm_versions=versions)
    assert "pins resolve" in error.value.next_step


@pytest.mark.parametrize("form", FORMS)
def test_more_gpus_than_the_node_has_are_refused(form: Form) -> None:
    with pytest.raises(UsageError, match=r"4 GPUs.*the node has 2") as error:
        made(form, NodeTruth(gpus=2, advertised=2), vllm_tensor_parallel_size=4)
    assert error.value.where == "vllm_tensor_parallel_size"


@pytest.mark.parametrize("form", FORMS)
def test_more_shared_memory_than_the_node_has_is_refused(form: Form) -> None:
    with pytest.raises(UsageError, match="shared memory is to be 13Gi"):
        made(form, NodeTruth(gpus=4, advertised=1, shared_memory_bytes=4 << 30))


# -- Kubernetes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plugin", "truth", "ranks", "asked"),
    [
        ("0.17.1", NodeTruth(gpus=4, advertised=4), 4, 4),
        ("0.19.0", NodeTruth(gpus=2, advertised=2), 2, 2),
        ("0.20.0", NodeTruth(gpus=4, advertised=1), 4, 1),
        ("0.20.0", NodeTruth(), 4, 1),
        ("0.17.1", NodeTruth(), 4, 4),
        # the cluster's plugin is newer than the data say: one stands for all
        ("0.17.1", NodeTruth(gpus=4, advertised=1), 4, 1),
    ],
)
def test_what_the_pod_asks_for_is_what_the_cluster_can_give(
    plugin: str, truth: NodeTruth, ranks: int, asked: int
) -> None:
    rendered = made(truth=truth, device_plugin_version=plugin, vllm_tensor_parallel_size=ranks)
    assert gpus_asked(deployment(rendered)) == asked
    check = pod(rendered)["initContainers"][0]
    assert check["command"][2] == str(ranks), "the start check counts GPUs, not what was asked for"
    assert check["resources"]["limits"][GPU_RESOURCE] == str(asked)


def test_more_than_is_advertised_is_found_before_it_sits_pending() -> None:
    with pytest.raises(UsageError, match="advertises 2"):
        made(truth=NodeTruth(gpus=4, advertised=2), device_plugin_version="0.19.0", vllm_tensor_parallel_size=4)
    with pytest.raises(UsageError, match="Pending") as error:
        made(truth=NodeTruth(gpus=1, advertised=0))
    assert "chain" in error.value.next_step


def test_memory_holds_shared_memory_too() -> None:
    rendered = made(truth=NodeTruth(gpus=2, advertised=1), vllm_memory="16Gi", vllm_shared_memory="8Gi")
    container = pod(rendered)["containers"][0]
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"] == "24Gi"
    shared = next(row for row in pod(rendered)["volumes"] if row["name"] == "shared-memory")
    assert shared["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in container["volumeMounts"]
    assert as_bytes(container["resources"]["limits"]["memory"]) > as_bytes("8Gi")


def test_the_load_time_is_the_startup_probes_and_the_others_wait_for_it() -> None:
    rendered = made(vllm_load_timeout_s=601)
    container = pod(rendered)["containers"][0]
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 601
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}
    assert deployment(rendered)["spec"]["progressDeadlineSeconds"] > 601


def test_what_is_written_has_a_place_though_the_root_is_read_only() -> None:
    spec = pod(made())
    container = spec["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    places = {row["mountPath"] for row in container["volumeMounts"] if not row.get("readOnly")}
    variables = environment(made())
    for name in ("HOME", "HF_HOME", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        assert any(variables[name].startswith(place) for place in places), name


def test_one_pod_at_a_time_without_a_token_under_the_nvidia_runtime() -> None:
    spec = pod(made())
    assert deployment(made())["spec"]["strategy"] == {"type": "Recreate"}
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["automountServiceAccountToken"] is False
    # VLLM_PORT would be set by a Service of the name vllm
    assert spec["enableServiceLinks"] is False
    assert "hostPath" not in json.dumps(spec)


def test_a_node_that_is_kept_for_gpus_takes_it() -> None:
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod(made())["tolerations"]


def test_storage_is_a_workload_of_its_own() -> None:
    assert "PersistentVolumeClaim" not in {item["kind"] for item in made().documents}
    storage = render("vllm-storage", settings(**HOST_PATH), NodeTruth())
    volume, claim = storage.documents
    assert (volume["kind"], claim["kind"]) == ("PersistentVolume", "PersistentVolumeClaim")
    assert volume["spec"]["hostPath"] == {"path": "/srv/models", "type": "Directory"}
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    used = next(row for row in pod(made())["volumes"] if row["name"] == "models")
    assert used["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_another_folder_is_another_volume() -> None:
    other = {"vllm_storage": {"claim": "vllm-models", "host_path": "/srv/other"}}
    names = {
        render("vllm-storage", settings(**values), NodeTruth()).documents[0]["metadata"]["name"]
        for values in (HOST_PATH, other)
    }
    assert len(names) == 2


def test_claims_that_are_there_are_not_made() -> None:
    with pytest.raises(UsageError, match="nothing to make"):
        render("vllm-storage", settings(vllm_storage={"claim": "pvc-nas-test", "create": False}), NodeTruth())


def test_the_note_makes_a_secret_without_an_end_of_line() -> None:
    (note,) = [note for note in made().notes if "create secret" in note]
    assert "tr -d" in note
    assert "--from-file=api-key=/dev/stdin" in note
    assert any("rollout restart deployment vllm" in note for note in made().notes), "nothing restarts it by itself"


# -- Compose and quadlet -----------------------------------------------------------------------------------------------


def test_compose_listens_on_loopback_and_has_its_devices_by_cdi() -> None:
    found = service(made("compose"))
    (port,) = found["ports"]
    assert port["host_ip"] == "127.0.0.1"
    devices = found["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "cdi", "device_ids": ["nvidia.com/gpu=all"], "capabilities": ["gpu"]}]
    assert found["shm_size"] == 1 << 30
    assert int(found["deploy"]["resources"]["limits"]["memory"]) == as_bytes("24Gi") + found["shm_size"]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert "env_file" not in found


@pytest.mark.parametrize("form", ["compose", "quadlet"])
def test_an_open_address_comes_with_the_key(form: Form, tmp_path: Path) -> None:
    key = tmp_path / "key"
    rendered = made(form, vllm_listen="::", vllm_api_key_file=str(key))
    if form == "compose":
        assert service(rendered)["ports"][0]["host_ip"] == "::"
        assert service(rendered)["env_file"] == ["api-key.env"]
    else:
        assert unit(rendered)["PublishPort"] == ["[::]:8000:8000"]
        assert unit(rendered)["Secret"] == ["wslgpu-vllm-api-key,type=env,target=VLLM_API_KEY"]
        assert any("secret create --replace" in row for row in unit(rendered)["ExecStartPre"])


def test_a_quadlet_is_started_at_boot_only_where_it_is_asked_for() -> None:
    assert "WantedBy" not in unit(made("quadlet"))
    assert unit(made("quadlet", vllm_start=True))["WantedBy"] == ["multi-user.target"]


def test_a_quadlet_has_the_gpus_the_memory_and_the_limits() -> None:
    found = unit(made("quadlet", NodeTruth(gpus=2), vllm_cpu_limit="1500m"))
    assert found["AddDevice"] == ["nvidia.com/gpu=all"]
    assert found["ShmSize"] == [str(7 << 30)]
    assert f"--memory={(24 + 7) << 30} --cpus=1.5" in found["PodmanArgs"]
    assert found["PublishPort"] == ["127.0.0.1:8000:8000"]
    assert "@sha256:" in found["Image"][0]
    assert json.loads(found["HealthCmd"][0])[0] == "python3"
    assert found["TimeoutStartSec"] == ["3600"], "the image arrives within it"
    assert unit(made("quadlet", vllm_load_timeout_s=60))["TimeoutStartSec"] == ["1860"]


@pytest.mark.parametrize("form", ["compose", "quadlet"])
def test_kernels_are_loaded_from_what_is_in_memory(form: Form) -> None:
    """Docker and Podman mount a tmpfs noexec unless told otherwise."""
    rendered = made(form)
    mounts = service(rendered)["tmpfs"] if form == "compose" else unit(rendered)["Tmpfs"]
    found = {place: options.split(",") for place, _, options in (mount.partition(":") for mount in mounts)}
    assert set(found) == {"/tmp", environment(rendered)["HOME"]}
    assert all("exec" in options for options in found.values()), found


@pytest.mark.parametrize("form", ["compose", "quadlet"])
def test_the_health_check_asks_no_proxy(form: Form) -> None:
    class Well(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Well) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        rendered = made(form, vllm_port=server.server_port)
        words = (
            service(rendered)["healthcheck"]["test"][1:]
            if form == "compose"
            else json.loads(unit(rendered)["HealthCmd"][0])
        )
        there = subprocess.run(
            [sys.executable, *words[1:]],
            env={"http_proxy": "http://127.0.0.1:1"},
            capture_output=True,
            timeout=30,
            check=False,
        )
        server.shutdown()
        thread.join()
    assert there.returncode == 0, there.stderr.decode()
    gone = subprocess.run([sys.executable, *words[1:]], env={}, capture_output=True, timeout=30, check=False)
    assert gone.returncode != 0


@pytest.mark.parametrize("form", ["compose", "quadlet"])
def test_a_node_form_without_a_folder_is_refused(form: Form) -> None:
    with pytest.raises(UsageError, match="needs a folder of the node") as error:
        render("vllm", settings(), NodeTruth(), form)
    assert "host_path" in error.value.next_step


def test_words_of_a_unit() -> None:
    assert word("--port") == "--port"
    assert word("50%") == "50%%"
    assert word("a b") == '"a b"'
    assert word('"') == '"\\""'
    assert word("$x") == "$$x"
    for wrong in ("a\nb", "ü", "\x1b"):
        with pytest.raises(ValueError, match="cannot stand in a unit"):
            word(wrong)
