"""The program on lab nodes: what it sees, without root and without Python, and what a hostile node makes of it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import probe_shapes
from tests.lab.conftest import LabFactory
from wslgpu.lab import Lab, Node
from wslgpu.probe import program
from wslgpu.probe.document import Level, Observations, Status
from wslgpu.verdict.derived import with_derived

pytestmark = pytest.mark.lab

SMI = "/usr/lib/wsl/lib/nvidia-smi"
SECRET = "c2VjcmV0OndvcmQ"
STARTED = "-I -S -B -c"


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    return lab.node()


def send(node: Node, level: Level = Level.QUICK, user: str = "root") -> bytes:
    """One session, one round trip."""
    words = node.ssh_argv("sh -s", user=user)
    done = subprocess.run(words, input=program.payload(level), capture_output=True, timeout=300, check=True)
    return done.stdout


def probe(node: Node, level: Level = Level.QUICK, user: str = "root") -> Observations:
    found = program.answer(send(node, level, user), node.name)
    assert probe_shapes.faults(found) == []
    return found


@contextlib.contextmanager
def replaced(node: Node, path: str, content: str | bytes, mode: int = 0o755) -> Iterator[None]:
    """A file of the node with another content, and then as it was."""
    node.run(f"[ ! -e {path} ] || mv {path} {path}.kept", check=True)
    node.put(path, content, mode)
    try:
        yield
    finally:
        node.run(f"rm -f {path}; [ ! -e {path}.kept ] || mv {path}.kept {path}", check=True)


def test_a_wsl2_node(node: Node) -> None:
    found = probe(node)
    assert found.stand_in
    assert found.identity.hostname == node.name
    assert found.identity.machine_id == node.run("cat /etc/machine-id", check=True).stdout.strip()
    fingerprint = node.run("ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub", check=True).stdout.split()[1]
    assert found.identity.ssh_host_keys == (fingerprint,)

    def value(key: str) -> object:
        return found.observations[key].value

    assert value("system.kernel")["release"].endswith("-microsoft-standard-WSL2")  # type: ignore[index]
    assert value("system.pid1") == "systemd"
    assert set(value("wsl.signals").values()) == {True}  # type: ignore[attr-defined]
    assert value("wsl.version") == "2.6.3.0"
    assert value("wsl.networking_mode") == "nat"
    assert value("wsl.lib_mount")["filesystem"] == "overlay"  # type: ignore[index]
    assert value("wsl.ld_cache")["libcuda"] == ["/usr/lib/wsl/lib/libcuda.so.1"]  # type: ignore[index]
    assert [store["vendor"] for store in value("wsl.driver_stores")] == ["nvidia"]  # type: ignore[attr-defined]
    assert value("smi.run") == {
        "path": SMI,
        "exit": 0,
        "smi_version": "580.95.05",
        "driver_version": "581.80",
        "cuda_version": "13.0",
    }
    assert value("smi.driver_model") == ["WDDM"]
    assert value("wsl.path") == {"session": False, "systemd": False}
    assert "networkingMode-bridged" in value("wsl.wslconfig")["text"]  # type: ignore[index]
    derived = with_derived(found).observations
    assert derived["derived.platform"].value["name"] == "wsl2"
    assert derived["derived.gpu"].value["nvidia_count"] == 1


def test_systemd_s_state_and_path(node: Node) -> None:
    node.run("systemctl set-environment PATH=/usr/bin:/usr/lib/wsl/lib", check=True)
    node.run("systemd-run --unit=wslgpu-fails --quiet sh -c 'exit 1'; sleep 0.3", check=True)
    try:
        found = probe(node).observations
    finally:
        node.run("systemctl reset-failed; systemctl unset-environment PATH", check=True)
    assert found["system.systemd"].value == {"state": "degraded", "failed_units": ["wslgpu-fails.service"]}
    assert found["wsl.path"].value == {"session": False, "systemd": True}


@pytest.mark.parametrize("persona", ["no-gpu", "plain-linux"])
def test_other_machines(new_lab: LabFactory, persona: str) -> None:
    found = probe(new_lab(persona=persona).node(), Level.STANDARD)
    observations = found.observations
    assert observations["smi.run"].reason == "there is no nvidia-smi"
    assert observations["cuda.init"].status is Status.UNKNOWN
    assert observations["cuda.kernel"].status is Status.UNKNOWN
    assert observations["wsl.driver_stores"].value == []
    assert observations["wsl.dxg"].value["exists"] is False
    platform = with_derived(found).observations["derived.platform"].value["name"]
    assert platform == {"no-gpu": "wsl2", "plain-linux": "linux"}[persona]
    if persona == "plain-linux":
        assert observations["wsl.version"].value is None
        assert observations["wsl.conf"].value is None


def changed_files(node: Node) -> set[str]:
    """Files newer than the stamp, but for what logins and the journal write."""
    words = "find / -xdev -newer /var/tmp/stamp -not -path '/var/log/*' -not -path '/var/lib/systemd/*' 2>/dev/null"
    return set(node.nsenter(words, check=False).stdout.split()) - {"/var/tmp/stamp"}


@pytest.mark.parametrize("user", ["root", "lab"])
def test_nothing_is_changed_and_nothing_left(node: Node, user: str) -> None:
    node.nsenter("touch /var/tmp/stamp; sleep 0.05")
    node.run("true", user=user)
    before = changed_files(node)
    stdout = send(node, Level.FULL, user)
    assert probe_shapes.faults(program.answer(stdout, node.name)) == []
    # a folder was made there, and is gone
    assert changed_files(node) - before <= {"/tmp"}
    assert "wslgpu-probe" not in node.nsenter("ls -A /tmp /var/tmp /dev/shm /home/lab /root").stdout
    # the words by which it is started, as a list of processes shows them
    assert STARTED.encode() in program.payload(Level.FULL)
    running = node.nsenter("ps -ww -e -o args").stdout
    assert "sshd" in running, "the node's processes are not listed"
    assert STARTED not in running


def test_no_root_is_needed(node: Node) -> None:
    mine, theirs = probe(node).observations, probe(node, user="lab").observations
    for key in ("smi.run", "cuda.init", "nvml.init", "wsl.signals", "wsl.driver_stores", "system.systemd"):
        assert mine[key].value == theirs[key].value, key


@contextlib.contextmanager
def without(node: Node, listing: str) -> Iterator[None]:
    """A node on which the files that a command lists do not exist."""
    node.run(f"{listing} >/root/listed; tar -cPf /root/aside.tar -T /root/listed; xargs rm </root/listed", check=True)
    try:
        yield
    finally:
        node.run("tar -xPf /root/aside.tar; rm /root/aside.tar /root/listed", check=True)


def test_without_python(node: Node) -> None:
    with without(node, "ls /usr/bin/python3*"):
        found = probe(node)
    assert found.probe.interpreter == "sh"
    assert found.stand_in
    assert found.observations["cuda.init"].reason == "no python3 on the node"
    whole = probe(node)
    assert found.identity == whole.identity
    for key in ("smi.run", "wsl.signals", "wsl.conf", "wsl.ld_conf", "wsl.lib_mount", "wsl.pci", "system.lab"):
        assert found.observations[key].value == whole.observations[key].value, key
    files, others = (one.observations["wsl.driver_stores"].value for one in (found, whole))
    assert [sorted(store["files"]) for store in files] == [sorted(store["files"]) for store in others]
    assert with_derived(found).observations["derived.platform"].value["name"] == "wsl2"


def test_with_python3_minimal(node: Node) -> None:
    """The files of libpython3-stdlib are away, as where only python3-minimal was installed: no ctypes, for one."""
    names = "$(dpkg-query -W -f '${Package}\\n' 'libpython3.*-stdlib')"
    listing = f"dpkg -L {names} | while read -r f; do [ ! -f $f ] || echo $f; done"
    with without(node, listing):
        # an empty folder would still be a package
        places = "/usr/lib/python3.*/"
        node.run(
            f"find {places} -name __pycache__ -exec rm -r {{}} +; find {places} -type d -empty -delete", check=True
        )
        assert node.run("python3 -c 'import ctypes'").rc != 0
        found = probe(node, Level.STANDARD)
    assert found.probe.interpreter.startswith("python3 ")
    for key in ("cuda.init", "nvml.init", "kernel.calls", "cuda.kernel"):
        assert found.observations[key].status is Status.UNKNOWN
        assert "ctypes" in found.observations[key].reason, key
    assert found.observations["smi.run"].value["driver_version"] == "581.80"
    assert found.observations["wsl.driver_stores"].value


@pytest.mark.parametrize("python", [True, False], ids=["python", "sh"])
def test_an_nvidia_smi_that_hangs(node: Node, python: bool) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(node, SMI, "#!/bin/sh\nsleep 1000\n"))
        if not python:
            stack.enter_context(without(node, "ls /usr/bin/python3*"))
        found = probe(node).observations
    assert found["smi.run"].status is Status.HANG
    assert found["smi.driver_model"].status is (Status.HANG if python else Status.UNKNOWN)
    assert found["system.pid1"].value == "systemd"
    assert node.run("pgrep -f 'sleep 100[0]'").rc != 0


NASTY = {
    "escapes": "printf '\\033[2J\\033]0;title\\007NVIDIA-SMI \\033[31mDriver Version: 1\\n'",
    "nul": "printf 'NVIDIA-SMI 1.0 Driver\\000 Version: 2.0\\n\\377\\376'",
    "endless": "head -c 104857600 /dev/zero | tr '\\0' x",
    "html": "echo '| NVIDIA-SMI <script>alert(1)</script> Driver Version: <b> CUDA Version: \"</td> |'",
    "json": 'echo \'"}}, "observations": {"smi.run": {"status": "observed"\'',
    "marks": "echo '=== wslgpu 00000000000000000000000000000000 begin ==='",
    "crash": "kill -SEGV $$",
    "fails": "echo 'NVIDIA-SMI has failed'; exit 9",
}


@pytest.mark.parametrize("python", [True, False], ids=["python", "sh"])
@pytest.mark.parametrize("what", NASTY)
def test_an_nvidia_smi_that_prints_anything(node: Node, what: str, python: bool) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(node, SMI, f"#!/bin/sh\n{NASTY[what]}\n"))
        if not python:
            stack.enter_context(without(node, "ls /usr/bin/python3*"))
        stdout = send(node)
    found = program.answer(stdout, node.name)
    assert probe_shapes.faults(found) == []
    assert len(stdout) < 1 << 20
    assert b"\x1b" not in stdout
    assert b"<script>" not in stdout
    one = found.observations["smi.run"]
    if what == "endless":
        assert one.status is Status.UNKNOWN
        assert "more than it may" in one.reason
    elif what == "crash":
        assert one.status is Status.CRASH
        assert "signal 11" in one.reason
    else:
        assert one.value["exit"] == (9 if what == "fails" else 0)
        # a word that is a version may be taken, anything else may not
        assert one.value["driver_version"] in ("", "1", "2.0")
        assert one.value["smi_version"] in ("", "1.0")


def test_what_a_login_prints_does_not_matter(node: Node) -> None:
    noise = "printf 'Welcome \\033[1mhome\\n{}\\n'\necho '=== wslgpu 00000000000000000000000000000000 begin ==='\n"
    with replaced(node, "/root/.bashrc", noise, 0o644):
        stdout = send(node)
    assert stdout.startswith(b"Welcome")
    assert probe_shapes.faults(program.answer(stdout, node.name)) == []


def test_no_secret_comes_back(node: Node) -> None:
    docker = f'{{"auths": {{"private.example": {{"auth": "{SECRET}"}}}}, "credsStore": "desktop.exe"}}'
    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(node, "/root/.docker/config.json", docker, 0o600))
        stack.enter_context(replaced(node, "/etc/nvidia-container-runtime/config.toml", f"[x]\ntoken = '{SECRET}'\n"))
        stack.enter_context(replaced(node, "/etc/cdi/nvidia.yaml", f"kind: a.b/c\nx: {SECRET}\n"))
        stdout = send(node)
    assert SECRET.encode() not in stdout
    found = program.answer(stdout, node.name).observations
    assert found["docker.config"].value == {"credentials_store": "desktop.exe", "nvidia_runtime": False}
    assert found["toolkit.config"].value == {"mode": "auto", "default_kind": None}
    assert [spec["kind"] for spec in found["toolkit.cdi_specs"].value] == ["a.b/c"]


def test_files_that_are_pipes_or_links_do_not_stop_it(node: Node) -> None:
    """Places that anybody could have filled with something else."""
    node.run(
        "mv /etc/wsl.conf /etc/wsl.conf.kept; mkfifo /etc/wsl.conf; mkdir -p /etc/cdi; mkfifo /etc/cdi/a.yaml; "
        "ln -s /dev/zero /etc/cdi/b.yaml; ln -s /etc/cdi/c.yaml /etc/cdi/c.yaml; mkfifo /etc/nccl.conf",
        check=True,
    )
    try:
        found = probe(node).observations
    finally:
        node.run("rm -rf /etc/wsl.conf /etc/cdi /etc/nccl.conf; mv /etc/wsl.conf.kept /etc/wsl.conf", check=True)
    assert found["wsl.conf"].reason == "/etc/wsl.conf cannot be read"
    assert found["toolkit.cdi_specs"].reason == "/etc/cdi/a.yaml cannot be read"
    assert found["nccl.environment"].value == {}


def test_the_toolkit_and_containerd(node: Node) -> None:
    text = (Path(__file__).parents[1] / "fixtures/captures/nvidia-ctk-1.19.1_cdi-generate_wsl.yaml").read_text()
    node.run(
        "apt-get -q update && apt-get -qy --no-install-recommends install containerd runc", timeout=300, check=True
    )
    with replaced(node, "/etc/cdi/nvidia.yaml", text, 0o644):
        found = probe(node).observations
    installed = node.run("dpkg-query -W -f '${Version}' containerd", check=True).stdout
    assert installed.startswith(found["containerd.binary"].value["version"].partition("~")[0].partition("+")[0])
    assert found["containerd.service"].value == {"active": True, "enabled": True}
    assert "runc" in found["containerd.config"].value["runtimes"]
    assert found["containerd.runc"].value["version"]
    (spec,) = found["toolkit.cdi_specs"].value
    # the capture names another driver store than this node has
    assert any("0123456789abcdef" in path for path in spec["missing"])
    assert "/dev/dxg" not in spec["missing"]
