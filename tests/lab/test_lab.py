"""The lab itself, on real nodes: made, shaped, served, broken and taken away again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml

from wslgpu.lab import Lab, LabError, LabSpec, Node, down, host, state, sweep
from wslgpu.lab.faults import Fault
from wslgpu.lab.persona import PERSONAS, STORE_HASH, WSL1_RELEASE, WSL2_RELEASE

pytestmark = pytest.mark.lab
LabFactory = Callable[..., Lab]
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Traces:
    """What a lab has on the host, by the names that only this lab can have."""

    processes: list[str]
    mounts: list[str]
    links: list[str]
    table: bool
    cgroups: list[str]
    files: list[str]

    @property
    def any(self) -> bool:
        return bool(self.processes or self.mounts or self.links or self.table or self.cgroups or self.files)


def traces(lab: Lab) -> Traces:
    place, ident = str(lab.directory), lab.state.ident
    processes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if place in line:
                processes.append(line)
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    return Traces(
        processes=processes,
        mounts=[line for line in Path("/proc/self/mounts").read_text().splitlines() if place in line],
        links=[link.name for link in Path("/sys/class/net").iterdir() if ident in link.name],
        table=lab.state.table in tables,
        cgroups=[
            str(group) for mount in host.cgroup_mounts().values() for group in mount.glob(f"wslgpu-lab/{ident}-*")
        ],
        files=[
            str(path)
            for folder in (lab.directory.parent, Path("/run/systemd/nspawn/propagate"))
            if folder.is_dir()
            for path in folder.iterdir()
            if path.name in (lab.name, f".{lab.name}.lock") or path.name.startswith(f"{ident}-")
        ],
    )


def wslgpu(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wslgpu.cli", "lab", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_command_and_down_leaves_nothing() -> None:
    name = f"t{os.getpid()}-cli"
    try:
        up = wslgpu("up", "--name", name, "--json")
        assert up.returncode == 0, up.stderr
        assert json.loads(up.stdout)["nodes"][0]["running"] is True
        lab = Lab.load(name)
        before = traces(lab)
        assert before.processes
        assert before.mounts
        assert before.links
        assert before.table
        assert before.cgroups
        assert before.files

        again = wslgpu("up", "--name", name)
        assert (again.returncode, "is up already" in again.stdout) == (0, True)
        listed = {entry["name"]: entry for entry in json.loads(wslgpu("list", "--json").stdout)}
        assert listed[name]["healthy"] is True
        assert wslgpu("ssh", "--name", name, "node1", "--", "hostname").stdout == "node1\n"
        assert wslgpu("ssh", "--name", name, "--", "exit 7").returncode == 7
        assert wslgpu("exec", "--name", name, "node1", "hostname").stdout == "node1\n"
        assert wslgpu("exec", "--name", name, "node9", "true").returncode == 2
    finally:
        gone = wslgpu("down", "--name", name)
    assert gone.returncode == 0, gone.stderr
    assert not traces(lab).any, traces(lab)
    assert wslgpu("down", "--name", name).returncode == 0
    assert wslgpu("ssh", "--name", name, "true").returncode == 2


def test_only_the_labs_own_host_key_is_accepted(lab: Lab) -> None:
    node = lab.node()
    known = lab.directory / "known_hosts"
    text = known.read_text()
    assert node.run("true").ok
    try:
        known.write_text("")
        refused = node.run("true")
    finally:
        known.write_text(text)
    assert not refused.ok
    assert "Host key verification failed" in refused.stderr


@pytest.mark.parametrize("what", ["leader", "nspawn", "supervisor", "server"])
def test_down_after_kill_9(new_lab: LabFactory, what: str) -> None:
    lab = new_lab()
    node = lab.node()
    supervisor, nspawn = node.processes()
    leader = node.leader()
    assert leader is not None
    victim = {
        "leader": leader,
        "nspawn": nspawn,
        "supervisor": supervisor,
        "server": lab.state.processes[0][1].pid,
    }[what]
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while lab.healthy and what != "supervisor" and time.monotonic() < deadline:
        time.sleep(0.05)
    if what != "supervisor":
        assert not lab.healthy
        assert wslgpu("up", "--name", lab.name).returncode == 2
    assert down(lab.name)
    assert not traces(lab).any, traces(lab)


def test_down_without_lab_json(new_lab: LabFactory) -> None:
    lab = new_lab(servers=False)
    (lab.directory / "lab.json").write_text("{ half a fi")
    with pytest.raises(LabError, match=r"lab\.json cannot be read"):
        Lab.load(lab.name)
    assert down(lab.name)
    assert not traces(lab).any, traces(lab)


def test_lab_of_a_dead_owner_is_swept(new_lab: LabFactory) -> None:
    mine = new_lab(servers=False)
    name = f"t{os.getpid()}-orphan"
    spec = f"LabSpec(name={name!r}, servers=False, owner_pid=os.getpid())"
    code = f"import os\nfrom wslgpu.lab import *\nLab.up({spec})\nos._exit(9)"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False, timeout=120)
    orphan = Lab.load(name)
    assert orphan.node().running
    assert sweep() == [name]
    assert not traces(orphan).any, traces(orphan)
    assert mine.node().running


def test_interrupted_up_leaves_nothing() -> None:
    name = f"t{os.getpid()}-cut"

    def interrupt(message: str) -> None:
        if message.startswith("booting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Lab.up(LabSpec(name=name, servers=False), interrupt)
    assert not state.directory_of(name).exists()


SHAPE = """
cat /proc/version /proc/sys/kernel/osrelease
stat -c %F,%a,%t,%T /dev/dxg
findmnt -rno FSTYPE,OPTIONS /usr/lib/wsl/lib
findmnt -rno OPTIONS /usr/lib/wsl/drivers
ldconfig -p | grep -c /usr/lib/wsl/lib
ls -d /run/WSL /proc/sys/fs/binfmt_misc/WSLInterop /init /mnt/c/Users/lab/.wslconfig
stat -fc %T /sys/fs/cgroup
ip -br address show eth0 | awk '{print $3}'
cat /etc/wsl.conf
"""


def test_reboot_keeps_the_wsl_shape(lab: Lab) -> None:
    node = lab.node()
    before = node.run(SHAPE)
    assert WSL2_RELEASE in before.stdout
    assert "character special file,666,a,e5" in before.stdout
    assert "overlay rw,nosuid,nodev,noatime" in before.stdout
    assert "\nro," in before.stdout
    assert "cgroup2fs" in before.stdout
    assert before.stderr == ""
    leader = node.leader()
    node.reboot()
    assert node.leader() != leader
    after = node.run(SHAPE)
    assert (after.stdout, after.stderr) == (before.stdout, "")


def test_power_loss_and_start(new_lab: LabFactory) -> None:
    node = new_lab(servers=False).node()
    assert not node.boot_failed
    node.put("/var/lib/canary", "here\n")
    node.kill()
    assert node.boot_failed
    assert not node.running
    with pytest.raises(LabError, match="not running"):
        node.nsenter("true")
    node.start()
    assert node.run("cat /var/lib/canary; systemctl is-system-running --wait").stdout == "here\nrunning\n"


def test_link_down_and_up(lab: Lab) -> None:
    node = lab.node()
    node.link_down()
    try:
        assert node.boot_failed
        assert node.nsenter("hostname").stdout == "node1\n"
    finally:
        node.link_up()
    assert node.run("hostname").stdout == "node1\n"


def test_clock_of_the_host_cannot_be_set(lab: Lab) -> None:
    before = time.time()
    answer = lab.node().run("date -s '2001-01-01'")
    assert answer.rc != 0
    assert "Operation not permitted" in answer.stderr
    assert 0 <= time.time() - before < 60


def test_ssh_commands_can_be_counted(lab: Lab) -> None:
    node = lab.node()
    # by name, not by unit: the journal may not learn the unit of a process that has ended before it looks
    count = "journalctl -t sshd -t sshd-session --no-pager | grep -c 'Starting session' || :"
    before = int(node.nsenter(count).stdout)
    for _ in range(3):
        assert node.run("true").ok
    deadline = time.monotonic() + 30
    while int(node.nsenter(count).stdout) < before + 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert int(node.nsenter(count).stdout) == before + 3


def test_other_user_has_sudo_without_password(lab: Lab) -> None:
    assert lab.node().run("id -un; sudo -n id -un", user="lab").stdout == "lab\nroot\n"


def kernel(node: Node) -> str:
    return node.run("cat /proc/sys/kernel/osrelease").stdout.strip()


def exists(node: Node, path: str) -> bool:
    return node.run(f"test -e {path}").ok


@pytest.mark.parametrize("name", [name for name in PERSONAS if name != "wsl2"])
def test_persona_shows_its_shape(new_lab: LabFactory, name: str) -> None:
    lab = new_lab(persona=name, servers=False)
    node = lab.node()
    persona = PERSONAS[name]
    expected = {"wsl1": WSL1_RELEASE, "plain-linux": os.uname().release}.get(name, WSL2_RELEASE)
    assert kernel(node) == expected
    has_gpu = name not in ("wsl1", "no-gpu", "plain-linux")
    assert exists(node, "/dev/dxg") is has_gpu
    assert exists(node, "/usr/lib/wsl") is has_gpu
    stores = set(node.run("ls /usr/lib/wsl/drivers").stdout.split())
    assert any(store.endswith(STORE_HASH) for store in stores) is has_gpu
    listed = node.run("/usr/lib/wsl/lib/nvidia-smi -L").stdout.count("GPU-")
    assert listed == (2 if name == "wsl2-two-gpus" else int(has_gpu))
    integrated = {store for store in stores if store.startswith("iigd")}
    assert bool(integrated) is (name == "wsl2-hybrid-gpu")
    assert exists(node, "/etc/wsl.conf") is (name != "plain-linux")
    linux_driver = node.run("dpkg-query -W -f '${Status}' libnvidia-compute-580").stdout
    assert (linux_driver == "install ok installed") is (name == "linux-driver-installed")
    shadows = exists(node, "/usr/lib/x86_64-linux-gnu/libcuda.so.1")
    assert shadows is (name == "linux-driver-installed")
    distribution = node.run(". /etc/os-release; echo $ID $VERSION_ID").stdout.strip()
    assert distribution == ("ubuntu 24.04" if name == "ubuntu-24.04" else "debian 13")
    marker = json.loads(node.run("cat /etc/wslgpu-lab").stdout)
    assert (marker["lab"], marker["persona"]) == (lab.name, name)
    assert marker["stand_ins"] == list(persona.stand_ins)
    assert bool(marker["missing"]) is (name == "ubuntu-24.04")
    assert yaml.safe_load(lab.site_file.read_text())["wsl_required"] is (name != "plain-linux")
    assert node.run("systemctl is-system-running --wait").stdout.strip() == "running"


def test_windows_driver_update(new_lab: LabFactory) -> None:
    node = new_lab(servers=False).node()
    versions = "/usr/lib/wsl/lib/nvidia-smi | grep -c 'Driver Version: 599.11'; ls /usr/lib/wsl/drivers"
    before = node.run(versions).stdout.split()
    assert before[0] == "0"
    node.replace_driver_store("ffeeddccbbaa0099", "599.11")
    after = node.run(versions).stdout.split()
    assert after[0] == "1"
    assert after[1].endswith("_ffeeddccbbaa0099")
    assert not any(STORE_HASH in name for name in after)
    node.reboot()
    assert node.run(versions).stdout.split() == after


def test_two_labs_side_by_side(lab: Lab, new_lab: LabFactory) -> None:
    other = new_lab(nodes=2, servers=False)
    assert other.state.subnet != lab.state.subnet
    assert other.state.bridge != lab.state.bridge
    for node in (*lab.nodes, *other.nodes):
        assert node.run("hostname").stdout == f"{node.name}\n"
    assert other.node("node2").run("getent hosts node1").stdout.split()[0] == other.node("node1").address
    machine_ids = {node.run("cat /etc/machine-id").stdout for node in (*lab.nodes, *other.nodes)}
    assert len(machine_ids) == 3
    down(other.name)
    assert lab.healthy


def test_names_already_taken(lab: Lab) -> None:
    with pytest.raises(LabError, match="already there"):
        Lab.up(LabSpec(name=lab.name))
    assert lab.healthy


@pytest.mark.parametrize("base", ["bookworm"])
def test_other_base(new_lab: LabFactory, base: str) -> None:
    node = new_lab(base=base, servers=False).node()
    assert node.run(". /etc/os-release; echo $VERSION_CODENAME").stdout == f"{base}\n"
    assert kernel(node) == WSL2_RELEASE
    assert node.run("systemctl is-system-running --wait; systemctl --failed --no-legend").stdout == "running\n"


def test_cgroup_v1(new_lab: LabFactory) -> None:
    if not set(host.cgroup_mounts()) - {"v2"}:
        pytest.skip("this host has no cgroup v1 hierarchy")
    node = new_lab(cgroup="v1", servers=False).node()
    assert node.run("stat -fc %T /sys/fs/cgroup").stdout == "tmpfs\n"
    group = "/sys/fs/cgroup/memory/x"
    assert node.run(f"mkdir {group} && echo 1000000 >{group}/memory.limit_in_bytes").ok


# the package repository, with apt itself as the judge


def apt_source(lab: Lab, node: Node) -> None:
    site = yaml.safe_load(lab.site_file.read_text())
    keyring = "/usr/share/keyrings/lab.gpg"
    node.run(f"curl -fsS {site['container_toolkit_key_url']} | gpg --dearmor --yes -o {keyring}", check=True)
    uri = site["container_toolkit_repository_uri"]
    node.put("/etc/apt/sources.list.d/lab.list", f"deb [signed-by={keyring}] {uri} /\n")


ONLY_OURS = "-o Dir::Etc::sourcelist=sources.list.d/lab.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0"
UPDATE = f"apt-get update {ONLY_OURS}"
FETCH = "rm -f /tmp/*.deb; cd /tmp && apt-get download nvidia-container-toolkit-base=1.20.0-1"


def test_apt_takes_packages_from_the_signed_repository(lab: Lab) -> None:
    node = lab.node()
    apt_source(lab, node)
    assert node.run(UPDATE).rc == 0
    policy = node.run("apt-cache policy nvidia-container-toolkit").stdout
    for version in ("1.18.1-1", "1.18.2-1", "1.19.1-1", "1.20.0-1"):
        assert f" {version} 500" in policy
    assert "Candidate: 1.20.0-1" in policy
    assert node.run(FETCH).rc == 0
    fingerprint = yaml.safe_load(lab.site_file.read_text())["container_toolkit_key_fingerprint"]
    assert fingerprint in node.run("gpg --show-keys --with-colons /usr/share/keyrings/lab.gpg").stdout


def test_apt_sees_each_repository_fault(new_lab: LabFactory) -> None:
    lab = new_lab()
    node, repository = lab.node(), lab.repository
    apt_source(lab, node)
    assert node.run(UPDATE).rc == 0

    other = repository.sign_with_other_key()
    said = node.run(UPDATE).stderr
    assert "signature" in said
    assert other.fingerprint in said
    repository.publish_expired_key()
    apt_source(lab, node)
    assert "expired" in node.run(UPDATE).stderr.lower()
    repository.repair()
    apt_source(lab, node)
    assert node.run(UPDATE).stderr == ""

    repository.edit_packages("\nPackage: evil\n")
    node.run("rm -rf /var/lib/apt/lists/*")
    changed = node.run(UPDATE)
    assert changed.rc != 0
    assert "Hash Sum mismatch" in changed.stderr or "unexpected size" in changed.stderr

    repository.publish()
    assert node.run(UPDATE).rc == 0
    original = repository.corrupt_deb("nvidia-container-toolkit-base_1.20.0-1").name
    assert original.endswith(".deb")
    assert "Hash Sum mismatch" in node.run(FETCH).stderr
    assert repository.delete_version("1.20.0-1")
    assert node.run(UPDATE).rc == 0
    assert "was not found" in node.run(FETCH).stderr


def test_given_packages_are_served_in_place_of_the_stand_ins(new_lab: LabFactory, tmp_path: Path) -> None:
    tree = tmp_path / "tree/DEBIAN"
    tree.mkdir(parents=True)
    (tree / "control").write_text(
        "Package: nvidia-container-toolkit\nVersion: 9.9.9-1\nArchitecture: amd64\n"
        "Maintainer: t <t@invalid>\nDescription: t\n"
    )
    debs = tmp_path / "debs"
    debs.mkdir()
    subprocess.run(["dpkg-deb", "--build", str(tree.parent), str(debs / "x.deb")], check=True, capture_output=True)
    lab = new_lab(toolkit_debs=debs)
    node = lab.node()
    apt_source(lab, node)
    assert node.run(UPDATE).rc == 0
    policy = node.run("apt-cache policy nvidia-container-toolkit").stdout
    assert "Candidate: 9.9.9-1" in policy
    assert "1.20.0-1" not in policy


# the registry, and the server that misbehaves on request


def fetch(lab: Lab, path: str) -> tuple[int, bytes, Mapping[str, str]]:
    accept = "application/vnd.docker.distribution.manifest.list.v2+json"
    with requests.Session() as session:
        session.trust_env = False  # a proxy of this machine cannot know the lab's network
        answer = session.get(f"{lab.state.base_url}{path}", headers={"Accept": accept}, timeout=10)
        return answer.status_code, answer.content, answer.headers


def test_registry_serves_what_the_site_names(lab: Lab) -> None:
    images = yaml.safe_load(lab.site_file.read_text())["cuda_images"]
    assert [image["role"] for image in images] == ["base", "runtime", "devel"]
    for image in images:
        status, body, headers = fetch(lab, f"/v2/nvidia/cuda/manifests/{image['digest']}")
        assert status == 200
        assert f"sha256:{hashlib.sha256(body).hexdigest()}" == image["digest"]
        by_tag = fetch(lab, f"/v2/nvidia/cuda/manifests/{image['tag']}")
        assert by_tag[1] == body
        assert headers["Docker-Content-Digest"] == image["digest"]
    assert fetch(lab, f"/v2/nvidia/cuda/manifests/sha256:{'0' * 64}")[0] == 404


def test_server_faults(lab: Lab) -> None:
    digest = yaml.safe_load(lab.site_file.read_text())["cuda_images"][0]["digest"]
    path = f"/v2/nvidia/cuda/manifests/{digest}"
    right = fetch(lab, path)[1]
    faults = lab.faults
    try:
        faults.set("/v2/", Fault(status=503, retry_after=1, times=2))
        answers = [fetch(lab, path) for _ in range(3)]
        assert [answer[0] for answer in answers] == [503, 503, 200]
        assert answers[0][2]["Retry-After"] == "1"
        assert fetch(lab, "/libnvidia-container/gpgkey")[0] == 200
        faults.set("/v2/", Fault(flip_byte=True))
        wrong = fetch(lab, path)[1]
        assert len(wrong) == len(right)
        assert wrong != right
        faults.set("/v2/", Fault(truncate_at=0.5))
        with pytest.raises(requests.RequestException, match="IncompleteRead"):
            fetch(lab, path)
        faults.set("/v2/", Fault(drop=True))
        with pytest.raises(requests.ConnectionError):
            fetch(lab, path)
        faults.set("/v2/", Fault(delay_s=0.5))
        start = time.monotonic()
        assert fetch(lab, path)[1] == right
        assert time.monotonic() - start >= 0.5
    finally:
        faults.clear()
    assert fetch(lab, path)[1] == right
    assert {"method": "GET", "path": path, "status": 503}.items() <= next(
        entry for entry in faults.requests() if entry["status"] == 503
    ).items()


# the inventory


def test_inventory(lab: Lab) -> None:
    command = [sys.executable, "-m", "pyinfra", "-y", "inventory/lab.py", "exec", "--", "cat /etc/wslgpu-lab"]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "WSLGPU_LAB": lab.name},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'"lab": "{lab.name}"' in done.stdout + done.stderr


def test_inventory_without_a_lab() -> None:
    command = [sys.executable, "-m", "pyinfra", "-y", "inventory/lab.py", "exec", "--", "true"]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "WSLGPU_LAB": "no-such-lab"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no lab 'no-such-lab'" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
