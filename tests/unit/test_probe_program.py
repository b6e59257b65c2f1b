"""The program as it is sent: run here with this machine's sh and python3, and with the part for a node without."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import probe_shapes
from wslgpu.probe import program
from wslgpu.probe.document import DocumentError, Level, Observations, Status, View, parse
from wslgpu.probe.registry import observation_kinds

FROM_PATH = b'/usr/bin/python3 "$(command -v python3 2>/dev/null)" /usr/local/bin/python3'
SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


def with_python(payload: bytes, interpreter: str) -> bytes:
    """The payload that finds this interpreter alone; none for an empty text."""
    assert FROM_PATH in payload
    return payload.replace(FROM_PATH, f'"{interpreter}"'.encode())


def run(payload: bytes, shell: Sequence[str] = ("sh", "-s"), **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        shell, input=payload, capture_output=True, timeout=120, check=False, **options
    )


def document(payload: bytes, shell: Sequence[str] = ("sh", "-s"), **options: object) -> Observations:
    done = run(payload, shell, **options)
    assert done.stderr == b""
    return program.answer(done.stdout, "here")


@pytest.fixture(scope="module")
def quick() -> Observations:
    return document(program.payload(Level.QUICK))


def test_every_observation_is_there_and_has_its_shape(quick: Observations) -> None:
    assert probe_shapes.faults(quick) == []
    assert quick.probe.level is Level.QUICK
    assert quick.probe.view is View.NODE
    assert quick.probe.interpreter.startswith("python3 ")
    assert quick.probe.uid == os.geteuid()
    assert quick.probe.cpu_s > 0
    assert (
        quick.observations["system.kernel"].value["release"] == Path("/proc/sys/kernel/osrelease").read_text().strip()
    )


def test_the_fault_finder_finds_faults(quick: Observations) -> None:
    wrong = quick.observations["system.cpus"].model_copy(update={"value": "four"})
    extra = quick.observations["system.uptime"].model_copy(update={"value": {"seconds": 1.0, "days": 2}})
    silent = quick.observations["smi.run"].model_copy(update={"status": Status.UNKNOWN, "value": None, "reason": ""})
    changed = {"system.cpus": wrong, "system.uptime": extra, "smi.run": silent}
    observations = {key: changed.get(key, one) for key, one in quick.observations.items() if key != "system.pid1"}
    found = probe_shapes.faults(quick.model_copy(update={"observations": observations}))
    assert [fault.split()[0].rstrip(":") for fault in found] == ["system.pid1", *changed]


def test_above_the_level_the_reason_is_the_level(quick: Observations) -> None:
    assert quick.observations["cuda.kernel"].reason == "needs --level standard"
    assert quick.observations["bench.device_memory"].reason == "needs --level full"


def test_the_standard_level_has_its_shapes_and_the_container_view_its_name() -> None:
    found = document(program.payload(Level.STANDARD, View.CONTAINER))
    assert probe_shapes.faults(found) == []
    assert found.probe.view is View.CONTAINER
    assert not any("--level standard" in one.reason for one in found.observations.values())


def test_what_a_person_would_type_comes_from_the_table(quick: Observations) -> None:
    assert quick.observations["system.pid1"].command == "cat /proc/1/comm"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_part_for_a_node_without_python(shell: str) -> None:
    words = [shell, "sh", "-s"] if shell == "busybox" else [shell, "-s"]
    found = document(with_python(program.payload(Level.QUICK), ""), words)
    assert probe_shapes.faults(found) == []
    assert found.probe.interpreter == "sh"
    assert found.identity.hostname == os.uname().nodename
    assert found.observations["kernel.calls"].reason == "no python3 on the node"
    assert found.observations["cuda.kernel"].reason == "needs --level standard"


def test_both_parts_see_the_same(quick: Observations) -> None:
    other = document(with_python(program.payload(Level.QUICK), ""))
    same = ["kernel", "os_release", "pid1", "cpus", "container", "lab"]
    for key in [*(f"system.{name}" for name in same), "wsl.signals", "wsl.lib_mount", "wsl.pci", "wsl.conf"]:
        assert other.observations[key].value == quick.observations[key].value, key
    assert other.identity == quick.identity
    assert other.probe.program == quick.probe.program


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_each_python_that_is_here(version: str) -> None:
    interpreter = shutil.which(f"python{version}")
    if interpreter is None or run(b"", [interpreter, "-I", "-S", "-"]).returncode != 0:
        pytest.skip(f"no python{version} here")
    found = document(with_python(program.payload(Level.QUICK), interpreter))
    assert probe_shapes.faults(found) == []
    assert found.probe.interpreter.startswith(f"python3 {version}")


@pytest.mark.parametrize(
    "script",
    [
        "exit 97",
        "exit 1",
        "echo noise; kill -9 $$",
        "echo '=== wslgpu 00000000000000000000000000000000 begin ==='; exit 3",
    ],
    ids=["too old", "broken", "killed", "imitates"],
)
def test_a_python_that_does_not_answer_leaves_it_to_sh(tmp_path: Path, script: str) -> None:
    fake = tmp_path / "python3"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    done = run(with_python(program.payload(Level.QUICK), str(fake)))
    assert program.answer(done.stdout, "here").probe.interpreter == "sh"


@pytest.mark.parametrize("module", ["ctypes", "json", "resource"])
def test_a_python_with_less(module: str) -> None:
    """As Debian's python3-minimal, which has neither."""
    payload = with_python(program.payload(Level.QUICK), sys.executable)
    hidden = payload.replace(b"HEAD = sys.stdin", f'sys.modules["{module}"] = None\nHEAD = sys.stdin'.encode(), 1)
    assert hidden != payload
    found = document(hidden)
    assert probe_shapes.faults(found) == []
    assert found.observations["system.kernel"].status is Status.OBSERVED
    if module == "ctypes":
        assert found.observations["kernel.calls"].reason == "this python3 has no ctypes"


def test_noise_before_and_after_does_not_matter() -> None:
    payload = program.payload(Level.QUICK)
    stdout = run(payload).stdout
    noise = (
        b"\x1b[31mWelcome\r\n{}\n=== wslgpu " + b"0" * 32 + b" begin ===\n{}\n=== wslgpu " + b"0" * 32 + b" end ===\n"
    )
    assert program.answer(noise + stdout + b"logout\n", "here") == program.answer(stdout, "here")


def test_a_saved_document_is_read_too(quick: Observations) -> None:
    assert program.answer(quick.as_json().encode(), "file") == quick


@pytest.mark.parametrize(
    ("stdout", "what"),
    [
        (b"", "no answer"),
        (b"  \n", "no answer"),
        (b"sh: not found\x1b[2J", "begins with 'sh: not found'"),
        (b"x" * (4 << 20), "bytes long"),
        (b"{" + b"[" * 100000, "not a JSON document"),
    ],
    ids=["nothing", "blank", "other", "endless", "deep"],
)
def test_what_is_no_answer_is_refused(stdout: bytes, what: str) -> None:
    with pytest.raises(DocumentError) as caught:
        program.answer(stdout, "ssh:node1")
    assert what in caught.value.what
    assert caught.value.where == "ssh:node1"
    assert "\x1b" not in str(caught.value)


def test_marks_that_this_process_did_not_make_are_not_taken() -> None:
    stdout = run(program.payload(Level.QUICK)).stdout
    begin = stdout.index(b"=== wslgpu ") + 11
    foreign = stdout.replace(stdout[begin : begin + 32], b"f" * 32)
    with pytest.raises(DocumentError, match="holds no document"):
        program.answer(foreign, "here")


@given(st.floats(0, 1), st.binary(max_size=20))
def test_an_answer_that_is_cut_off_or_changed_is_refused_or_whole(share: float, junk: bytes) -> None:
    stdout = _once()
    place = int(len(stdout) * share)
    for changed in (stdout[:place], stdout[:place] + junk + stdout[place:]):
        try:
            found = program.answer(changed, "here")
        except DocumentError:
            continue
        # the marks and all between them came through
        assert len(found.observations) == len(observation_kinds())


_KEPT: list[bytes] = []


def _once() -> bytes:
    if not _KEPT:
        _KEPT.append(run(program.payload(Level.QUICK)).stdout)
    return _KEPT[0]


def test_payloads_differ_only_in_their_marks() -> None:
    first, second = program.payload(Level.QUICK), program.payload(Level.QUICK)
    assert first != second
    differing = [(a, b) for a, b in zip(first.splitlines(), second.splitlines(), strict=True) if a != b]
    assert len(differing) == 1
    head = [line.split(b"'")[1].split() for line in differing[0]]
    assert head[0][2] != head[1][2]
    assert head[0][:2] + head[0][3:] == head[1][:2] + head[1][3:]


def test_a_payload_that_is_cut_off_does_nothing() -> None:
    payload = program.payload(Level.QUICK)
    for share in (0.3, 0.9, 0.999):
        assert run(payload[: int(len(payload) * share)]).stdout == b""


def test_the_payload_is_small_and_plain() -> None:
    payload = program.payload(Level.FULL)
    assert len(payload) < 256 << 10
    assert payload.isascii()
    assert "'" not in program._START


def test_nothing_of_wslgpu_is_imported_and_python_3_8_can_read_it() -> None:
    for path in sorted(program.NODE_FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert not any(name.name.startswith("wslgpu") for name in node.names), path
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert not str(node.module).startswith("wslgpu"), path
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1, path


def test_every_observation_is_named_by_a_topic_or_the_shell() -> None:
    sources = "".join(path.read_text() for path in program.NODE_FOLDER.glob("*.py"))
    assert [key for key in observation_kinds() if f'"{key}"' not in sources and f"'{key}'" not in sources] == []


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    document(program.payload(Level.FULL), env={**os.environ, "TMPDIR": str(tmp_path)}, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


PROGRAMS = {
    "kubelet": "echo Kubernetes v1.31.2",
    "kubectl": """case "$*" in
*runtimeclasses*) echo '{"items": [{"kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"}]}' ;;
*) echo '{"status": {"capacity": {"nvidia.com/gpu": "1"}}}' ;;
esac""",
    "containerd": """case "$1" in
--version) echo containerd github.com/containerd/containerd v2.1.4 x ;;
*) echo 'version = 3' ;;
esac""",
    "runc": "echo runc version 1.3.3",
    "podman": "exit 3",
    "docker": """case "$1" in
info) echo '{"ClientInfo": {"Version": "28.2.2"}, "ServerVersion": "28.2.2", "OperatingSystem": "Docker Desktop",'\\
 '"Runtimes": {"runc": {}, "nvidia": {}}, "DefaultRuntime": "runc", "CDISpecDirs": ["/etc/cdi"]}' ;;
model) echo '{"running": true, "backends": {"llama.cpp": "x"}}' ;;
esac""",
    "nvidia-ctk": "echo NVIDIA Container Toolkit CLI version 1.19.1",
    "ollama": "echo Warning: could not connect; echo client version is 0.12.6",
    "llama-cli": "echo 'version: 4567 (abc)' >&2",
    "nvcc": "echo Cuda compilation tools, release 12.6, V12.6.77",
    "dcgmi": "echo 'dcgmi  version: 3.3.5'",
    "cuda-checkpoint": "exit 1",
    "ffmpeg": """echo ffmpeg version 8.1 >&2
case "$*" in
*-encoders) echo ' V....D h264_nvenc x' ;;
*-hwaccels) echo cuda ;;
*-filters) echo ' ... scale_cuda V->V x' ;;
*) echo no GPU >&2; exit 171 ;;
esac""",
    "vulkaninfo": "printf 'GPU0:\\n\\tdriverName = Dozen\\n'",
    "eglinfo": "echo 'OpenGL core profile renderer: D3D12 (NVIDIA L20)'",
    "vainfo": "kill -SEGV $$",
    "rocminfo": "echo '  Name:  gfx1100'",
    "criu": "echo Version: 4.1; echo Looks good.",
}


def test_programs_and_what_they_say(tmp_path: Path) -> None:
    """Every program that the probe asks, in the place of the genuine one."""
    for name, script in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    home = tmp_path / "home"
    (home / ".docker/cli-plugins").mkdir(parents=True)
    (home / ".docker/cli-plugins/docker-model").touch()
    (home / "config").touch()
    paths = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(home), "KUBECONFIG": str(home / "config")}
    payload = program.payload(Level.STANDARD)
    found = document(payload, env={**os.environ, **paths, "TMPDIR": str(home)})
    assert probe_shapes.faults(found) == []

    def value(key: str) -> object:
        return found.observations[key].value

    assert value("k8s.kubelet") == {"version": "1.31.2", "active": False, "kind": "kubelet"}
    assert value("k8s.node") == {"ready": False, "capacity_gpus": 1, "allocatable_gpus": 0, "labels": {}}
    assert value("k8s.runtime_classes") == [{"name": "nvidia", "handler": "nvidia"}]
    assert value("k8s.device_plugin") is None
    assert value("containerd.binary") == {"path": f"{tmp_path}/containerd", "version": "2.1.4"}
    assert value("containerd.runc") == {"version": "1.3.3"}
    assert found.observations["podman.binary"].reason == "podman ended with status 3"
    assert value("docker.client") == {"path": f"{tmp_path}/docker", "version": "28.2.2", "from_desktop": False}
    assert value("docker.engine") == {
        "server_version": "28.2.2",
        "operating_system": "Docker Desktop",
        "runtimes": ["nvidia", "runc"],
        "default_runtime": "runc",
        "cdi_directories": ["/etc/cdi"],
    }
    assert value("docker.model_runner") == {"running": True, "backends": ["llama.cpp"]}
    assert value("toolkit.ctk") == {"path": f"{tmp_path}/nvidia-ctk", "version": "1.19.1"}
    assert value("apps.ollama") == {"version": "0.12.6", "active": False}
    assert value("apps.llama_cpp") == {"path": f"{tmp_path}/llama-cli", "version": "4567 (abc)"}
    assert value("cuda.toolkit")["nvcc"] == "12.6.77"  # type: ignore[index]
    assert value("dcgm.host_engine") == {"version": "3.3.5", "active": False}
    assert value("cuda.checkpoint_tool") == {"path": f"{tmp_path}/cuda-checkpoint"}
    assert value("codec.ffmpeg") == {
        "path": f"{tmp_path}/ffmpeg",
        "version": "8.1",
        "nvenc": ["h264_nvenc"],
        "cuda_hwaccel": True,
        "scale_cuda": True,
    }
    assert value("codec.ffmpeg_encode") == {"exit": 171, "text": "ffmpeg version 8.1\nno GPU"}
    assert [device["driver_name"] for device in value("vulkan.devices")["devices"]] == ["Dozen"]  # type: ignore[index]
    assert value("opengl.renderer") == {"tool": "eglinfo", "renderer": "D3D12 (NVIDIA L20)", "version": ""}
    assert found.observations["vaapi.driver"].status is Status.CRASH
    assert value("rocm.agents") == {"exit": 0, "gfx": ["gfx1100"]}
    assert value("kernel.criu") == {"version": "4.1", "check_exit": 0, "text": "Version: 4.1\nLooks good."}
    assert not [path for path in home.iterdir() if "wslgpu" in path.name]


RUNNER = """
import sys, types
from wslgpu.probe.node import main

topic = types.ModuleType("wslgpu.probe.node.topic_of_a_test")
exec(sys.argv[1], topic.__dict__)
sys.modules[topic.__name__] = topic
main.TOPICS = ("topic_of_a_test", "network")
ids = {"a.one": "quick", "a.two": "quick", "a.three": "full", "network.interfaces": "quick"}
config = {"level": "quick", "view": "node", "ids": ids, "timeout_s": sys.argv[2], "nonce": "0", "program": ""}
sys.exit(main.main(config))
"""


def start(code: str, timeout_s: float, folder: Path) -> subprocess.Popen[bytes]:
    """A program whose topic is this code."""
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(program.NODE_FOLDER.parents[2])}
    words = [sys.executable, "-c", RUNNER, code, str(timeout_s)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def finish(code: str, timeout_s: float, folder: Path) -> Observations:
    with start(code, timeout_s, folder) as started:
        stdout, _ = started.communicate(timeout=60)
    begin = stdout.index(b"begin ===") + len(b"begin ===")
    return parse(stdout[begin : stdout.index(b"=== wslgpu 0 end")])


def test_a_topic_that_fails_takes_nothing_else_with_it(tmp_path: Path) -> None:
    code = "def observe(probe):\n    probe.observed('a.one', 1)\n    raise RuntimeError('oh')"
    found = finish(code, 20, tmp_path)
    assert found.observations["a.one"].value == 1
    assert "topic_of_a_test failed: RuntimeError: oh" in found.observations["a.two"].reason
    assert found.observations["a.three"].reason == "needs --level full"
    assert found.observations["network.interfaces"].status is Status.OBSERVED


@pytest.mark.parametrize(
    "wait",
    [
        "probe.run(['sleep', '30'], timeout_s=30)",
        "__import__('time').sleep(30)",
        "probe.in_child(['a.two'], lambda emit: __import__('time').sleep(30), timeout_s=30)",
        "exec('while True:\\n    try:\\n        probe.left()\\n    except BaseException:\\n        pass')",
    ],
    ids=["a command", "itself", "a child", "will not hear"],
)
def test_when_its_time_is_over_it_answers_with_what_it_has(tmp_path: Path, wait: str) -> None:
    found = finish(f"def observe(probe):\n    probe.observed('a.one', probe.folder())\n    {wait}", 1.0, tmp_path)
    assert found.observations["a.one"].value.startswith(f"{tmp_path}/wslgpu-probe-")
    assert "1 s" in found.observations["network.interfaces"].reason
    assert found.probe.duration_s < 10
    assert list(tmp_path.iterdir()) == []


def test_what_a_library_prints_is_not_in_the_answer(tmp_path: Path) -> None:
    found = finish("import os\ndef observe(probe):\n    os.write(1, b'=== wslgpu 0 begin ===')\n", 20, tmp_path)
    assert "a.one" in found.observations


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_told_to_go_it_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    code = """
import sys
def observe(probe):
    folder = probe.folder()
    running = probe.start(["sleep", "60"], timeout_s=60)
    print(folder, running.process.pid, file=sys.stderr, flush=True)
    probe.wait(running)
"""
    with start(code, 60, tmp_path) as started:
        assert started.stderr is not None
        name, pid = started.stderr.readline().decode().split()
        folder = Path(name)
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        started.send_signal(number)
        assert started.wait(20) == 128 + number
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_a_link_in_the_folder_is_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("mine")
    place = tmp_path / "place"
    place.mkdir()
    code = f"import os\ndef observe(probe):\n    os.symlink({str(kept)!r}, probe.folder() + '/link')"
    finish(code, 20, place)
    assert list(place.iterdir()) == []
    assert (kept / "file").read_text() == "mine"
