"""vLLM without Kubernetes: the form that the data ask for, its key, and what the running server answers to whom."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.node.support.checks import APPLY, check, not_applicable, unknown
from tests.node.support.node import Answer, Node
from wslgpu.settings import Settings

UNIT = "wslgpu-vllm.service"
KEYS = {"quadlet": "/etc/wslgpu/vllm/api-key", "compose": "/etc/wslgpu/compose/vllm/api-key.env"}
FILES = {
    "quadlet": ("/etc/containers/systemd/wslgpu-vllm.container",),
    "compose": ("/etc/wslgpu/compose/vllm/compose.yaml", "/etc/systemd/system/wslgpu-vllm.service"),
}
GENERATOR = "/usr/lib/systemd/system-generators/podman-system-generator"
LOADING = "vLLM still loads its model"


@pytest.fixture(scope="module")
def form(settings: Settings) -> str:
    if settings.vllm_install == "none":
        not_applicable("the data ask for no vLLM")
    return settings.vllm_install


@pytest.fixture(scope="module")
def running(settings: Settings, form: str) -> str:
    if not settings.vllm_start:
        not_applicable("the data do not start vLLM")
    return form


@pytest.fixture(scope="module")
def answering(node: Node, settings: Settings, running: str) -> str:
    """End the check while the model loads: that takes minutes, and is no fault."""
    if get(node, settings, "/health").out[-3:] != "200":
        unknown(f"{LOADING}, or does not answer (vllm.health)")
    return running


def address(settings: Settings, path: str) -> str:
    host = settings.vllm_listen
    if host in ("0.0.0.0", "::"):  # noqa: S104  it listens on loopback too
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.vllm_port}{path}"


def get(node: Node, settings: Settings, path: str) -> Answer:
    """What is answered without a key, the status last."""
    words = ("curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}")
    return node.run(*words, address(settings, path))


def get_with_key(node: Node, settings: Settings, form: str, path: str) -> Answer:
    """The same with the node's own key, which no command line shows."""
    program = (
        "{ printf 'Authorization: Bearer '; sed 's/^VLLM_API_KEY=//' \"$1\"; }"
        " | curl --silent --max-time 10 --write-out '\\n%{http_code}' --header @- \"$2\""
    )
    return node.shell(program, KEYS[form], address(settings, path))


def container(form: str) -> list[str]:
    """The words that run a program in the container, up to that."""
    if form == "quadlet":
        return ["podman", "exec", "wslgpu-vllm"]
    return ["docker", "exec", "wslgpu-vllm-vllm-1"]


@pytest.mark.first
@check("vllm.installed")
def test_the_files_are_there(node: Node, form: str) -> None:
    """The files of the form that the data ask for are root's, and nobody else may write them."""
    for path in FILES[form]:
        found = node.mode_and_owner(path)
        assert found == "644 root:root regular file", f"{path} is {found}"


@check("vllm.absent")
def test_other_forms_are_absent(node: Node, settings: Settings) -> None:
    """Of a form that the data do not ask for, no file is left and nothing runs."""
    left = [
        path
        for form, paths in FILES.items()
        if form != settings.vllm_install
        for path in (*paths, KEYS[form])
        if node.exists(path)
    ]
    assert node.exists("/etc"), "the node does not answer"
    assert not left, f"still there: {', '.join(left)}"
    if settings.vllm_install == "none":
        answer = node.run("systemctl", "is-active", UNIT)
        assert answer.out.strip() == "inactive", f"{UNIT} is {answer.out.strip() or answer}"


@check("vllm.key.private")
def test_the_key_is_roots_alone(node: Node, settings: Settings, form: str) -> None:
    """The file with the key is root's alone; where the data name none, there is none."""
    if not settings.vllm_api_key_file:
        assert node.exists("/etc")
        assert not node.exists(KEYS[form]), f"{KEYS[form]} is there, and the data name no key"
        not_applicable("the data name no key")
    found = node.mode_and_owner(KEYS[form])
    assert found == "600 root:root regular file", f"{KEYS[form]} is {found}: others may read it"


@check("vllm.form.accepted", f"Read what {GENERATOR} --dryrun says. {APPLY}")
def test_the_form_is_accepted(node: Node, form: str) -> None:
    """Podman's generator makes a service of the quadlet, or Compose reads the project."""
    if form == "quadlet":
        answer = node.run(GENERATOR, "--dryrun")
        assert f"---{UNIT}---" in answer.out, f"the generator makes no {UNIT}: {answer}"
        return
    answer = node.run("docker", "compose", "--project-directory", "/etc/wslgpu/compose/vllm", "config", "--quiet")
    assert answer.ok, f"docker compose config: {answer}"


@check("vllm.service")
def test_the_service_is_as_the_data_say(node: Node, settings: Settings, form: str) -> None:
    """It runs, or it is stopped, and nothing of it failed."""
    found = node.run("systemctl", "is-active", UNIT).out.strip()
    wanted = "active" if settings.vllm_start else "inactive"
    assert found == wanted, f"{UNIT} is {found}, not {wanted}"


@check("vllm.listens", "Set vllm_listen, and look who else listens: ss -ltnp.")
def test_it_listens_where_the_data_say(node: Node, settings: Settings, answering: str) -> None:
    """The port is published on the data's address and on no other."""
    answer = node.run("ss", "-Hltn", f"sport = :{settings.vllm_port}")
    found = {line.split()[3].rpartition(":")[0].strip("[]") for line in answer.lines}
    assert found, f"nobody listens on port {settings.vllm_port}: {answer}"
    everywhere = {"0.0.0.0": {"0.0.0.0", "*"}, "::": {"::", "*"}}  # noqa: S104
    strange = found - everywhere.get(settings.vllm_listen, {settings.vllm_listen})
    assert not strange, f"it also listens on {', '.join(sorted(strange))}"


@check("vllm.health", f"journalctl -u {UNIT} says more.")
def test_it_is_healthy(node: Node, settings: Settings, running: str) -> None:
    """/health answers; while the model loads, nobody can say."""
    answer = get(node, settings, "/health")
    if answer.out[-3:] == "000":
        since = node.run("systemctl", "show", UNIT, "--property=ActiveEnterTimestampMonotonic", "--value")
        uptime = node.read("/proc/uptime").split()[0]
        if since.out.strip().isdigit() and float(uptime) - int(since.out) / 1e6 < settings.vllm_load_timeout_s:
            unknown(LOADING)
    assert answer.out[-3:] == "200", f"/health answers {answer.out[-3:]}"


@check("vllm.key.required")
def test_who_has_no_key_gets_nothing(node: Node, settings: Settings, answering: str) -> None:
    """/v1/models is refused without the key, and names the model with it."""
    without = get(node, settings, "/v1/models").out
    if not settings.vllm_api_key_file:
        assert without[-3:] == "200", f"/v1/models answers {without[-3:]}"
        not_applicable("the data name no key")
    assert without[-3:] == "401", f"without a key /v1/models answers {without[-3:]}"
    body, _, status = get_with_key(node, settings, answering, "/v1/models").out.rpartition("\n")
    assert status == "200", f"with the key /v1/models answers {status}"
    wanted = settings.vllm_served_name or settings.vllm_model.rpartition("/")[2]
    assert wanted in [row["id"] for row in json.loads(body)["data"]]


@check("vllm.image")
def test_it_runs_the_image_of_the_data(node: Node, settings: Settings, answering: str) -> None:
    """The container's image is the one of the data, by its digest."""
    if answering == "quadlet":
        answer = node.run("podman", "inspect", "--format", "{{.ImageName}}", "wslgpu-vllm")
    else:
        answer = node.run("docker", "inspect", "--format", "{{.Config.Image}}", "wslgpu-vllm-vllm-1")
    assert answer.ok, f"there is no container: {answer}"
    assert settings.vllm.image.digest in answer.out, f"it runs {answer.out.strip()}, not {settings.vllm.image.digest}"


@check("vllm.shared_memory")
def test_shared_memory_is_large_enough(node: Node, settings: Settings, answering: str) -> None:
    """/dev/shm in the container has at least 1 GiB for each rank, or what the data say."""
    answer = node.run(*container(answering), "df", "-B1", "--output=size", "/dev/shm")
    assert answer.ok, f"df in the container: {answer}"
    size = int(answer.words[-1])
    ranks = settings.vllm_tensor_parallel_size
    least = (1 if ranks == "auto" else ranks) << 30
    assert size >= least, f"it has {size} bytes, and {least} are needed"


@check("vllm.root.read_only")
def test_nobody_writes_into_the_containers_root(node: Node, answering: str) -> None:
    """vLLM is not root in its container, and the root is read-only."""
    words = shlex.join(container(answering))
    answer = node.shell(f'{words} sh -c "id -u; touch /x 2>&1 || echo refused"')
    assert answer.ok, f"in the container: {answer}"
    assert answer.lines[0] != "0", "it runs as root"
    assert answer.lines[-1] == "refused", "the root of the container can be written to"


@check("vllm.home.loadable")
def test_kernels_can_be_loaded_from_where_they_are_compiled(node: Node, answering: str) -> None:
    """HOME and /tmp are writable and not mounted noexec: PyTorch and Triton load what they compile there."""
    answer = node.run(*container(answering), "cat", "/proc/mounts")
    assert answer.ok, f"in the container: {answer}"
    mounts = {row[1]: row[3].split(",") for row in map(str.split, answer.lines)}
    for place in ("/home/vllm", "/tmp"):
        assert place in mounts, f"{place} is no mount of its own"
        assert not {"ro", "noexec"} & set(mounts[place]), f"{place} is mounted {','.join(mounts[place])}"
