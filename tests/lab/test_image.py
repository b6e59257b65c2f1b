"""A golden image: built twice to the same bytes, imported as WSL imports it, booted, and judged as any node."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.command import wslgpu
from wslgpu.debian_root import custom_cas
from wslgpu.errors import WslgpuError
from wslgpu.image.build import named_trouble
from wslgpu.image.machine import PREFIX
from wslgpu.image.pack import pack
from wslgpu.lab import Lab, Node, state
from wslgpu.settings import PROJECT_ROOT

pytestmark = pytest.mark.lab

BUILD_TIMEOUT_S = 600.0
ELSEWHERE = {"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "LC_ALL": "tr_TR.UTF-8", "HOSTNAME": "elsewhere"}
OOBE = "/usr/libexec/wsl/oobe.sh"
OLD = "the image that was there before"


class Builder:
    """A build that goes on while the test waits, or kills it."""

    def __init__(self, site: Path, target: Path, environment: Mapping[str, str] | None = None, umask: int = -1) -> None:
        self.target = target
        self._log = target.with_suffix(".log")
        words = ["image", "build", "--site", str(site), "--to", str(target), "--json"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wslgpu.cli", *words],
                cwd=PROJECT_ROOT,
                env={**os.environ, **(environment or {})},
                umask=umask,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def machine(self) -> bool:
        """Whether its machine is there."""
        return f"{PREFIX}{self.process.pid}" in state.names()

    @property
    def told(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + BUILD_TIMEOUT_S
        while words not in self.told:
            assert self.process.poll() is None, self.told
            assert time.monotonic() < deadline, self.told
            time.sleep(0.02)

    def kill(self) -> None:
        """Its machine goes too, without another build."""
        assert self.machine
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(timeout=20) == -signal.SIGKILL
        deadline = time.monotonic() + 60
        while self.machine:
            assert time.monotonic() < deadline, "its machine is still there"
            time.sleep(0.1)

    def done(self) -> Path:
        assert self.process.wait(timeout=BUILD_TIMEOUT_S) == 0, self.told
        return self.target


@dataclass(frozen=True)
class Images:
    """Two builds from the same data: the second one elsewhere, in the place of one that was killed."""

    source: Lab
    killed: Builder
    first: Builder
    second: Builder


def assert_old_one_stands(target: Path) -> None:
    assert target.read_text() == OLD
    assert not target.with_name(f"{target.name}.sha256").exists()


@pytest.fixture(scope="module")
def source(lab_factory: LabFactory) -> Lab:
    """Its servers have what an image is provisioned with."""
    return lab_factory()


@pytest.fixture(scope="module")
def images(source: Lab, tmp_path_factory: pytest.TempPathFactory) -> Images:
    folder = tmp_path_factory.mktemp("images")
    (folder / "elsewhere").mkdir()
    target = folder / "elsewhere" / "other name.wsl"
    target.write_text(OLD)
    killed = Builder(source.site_file, target)
    killed.wait_for("booting 1 node")
    killed.kill()
    assert_old_one_stands(target)
    first = Builder(source.site_file, folder / "first.wsl")
    second = Builder(source.site_file, target, ELSEWHERE, umask=0o077)
    first.done()
    second.done()
    return Images(source, killed, first, second)


@pytest.fixture(scope="module")
def booted(images: Images, lab_factory: LabFactory) -> Lab:
    """A node of the shape of WSL2 with a GPU, made from the image."""
    return lab_factory(image=images.first.target, servers=False)


@pytest.fixture
def node(booted: Lab) -> Node:
    return booted.node()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_two_builds_are_the_same_bytes_wherever_they_are_made(images: Images) -> None:
    assert digest(images.first.target) == digest(images.second.target)
    for path in (images.first.target, images.second.target):
        assert path.with_name(f"{path.name}.sha256").read_text() == f"{digest(path)}  {path.name}\n"
        assert path.stat().st_mode & 0o777 == 0o644


def test_nothing_is_left_of_the_builds_and_of_the_one_that_was_killed(images: Images) -> None:
    assert not any(builder.machine for builder in (images.killed, images.first, images.second))
    names = {path.name for path in images.second.target.parent.iterdir()}
    own = images.second.target.name
    assert names == {own, f"{own}.sha256", f"{own}.cdx.json", f"{own}.provenance.json", "other name.log"}


def test_no_rule_is_broken(images: Images) -> None:
    done = wslgpu("image", "validate", "--strict", "--json", str(images.first.target))
    assert done.returncode == 0, done.stdout
    document = json.loads(done.stdout)
    assert document["broken"] == []
    assert document["rules"] > 30


def test_bill_and_provenance_are_of_this_image(images: Images) -> None:
    path = images.first.target
    bill = json.loads(path.with_name(f"{path.name}.cdx.json").read_text())
    shown = json.loads(wslgpu("image", "show", "--json", str(path)).stdout)
    packages = {row["name"]: row["version"] for row in bill["components"] if row["bom-ref"].startswith("package:")}
    assert packages == shown["packages"]
    assert packages["nvidia-container-toolkit"]
    assert packages["cloud-init"]
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest(path)}]
    provenance = json.loads(path.with_name(f"{path.name}.provenance.json").read_text())
    assert provenance["subject"] == [{"name": path.name, "digest": {"sha256": digest(path)}}]
    assert set(shown["components"]) >= {"base", "containerd", "container_toolkit", "video_cdi"}
    assert set(shown["components"].values()) == {"applied"}


def test_it_holds_nothing_of_the_lab_or_of_the_machine_it_was_made_on(images: Images) -> None:
    words = [b"wslgpu-lab", *(path.name.encode() for path in custom_cas())]
    words += [path.read_bytes().splitlines()[4] for path in custom_cas()]  # of the certificate itself
    looked = 0
    with tarfile.open(images.first.target) as archive:
        for member in archive:
            content = archive.extractfile(member).read() if member.isreg() else b""  # type: ignore[union-attr]
            looked += 1
            for word in words:
                assert word not in member.name.encode(), member.name
                assert word not in content, member.name
    assert looked > 5_000


def test_a_machine_made_from_it_has_an_identity_of_its_own(node: Node) -> None:
    assert len(node.run("cat /etc/machine-id", check=True).stdout.strip()) == 32
    keys = node.run("ls /etc/ssh", check=True).stdout.split()
    assert {"ssh_host_ed25519_key", "ssh_host_rsa_key", "ssh_host_ecdsa_key"} <= set(keys)
    assert node.run("hostname").stdout.strip() == node.name
    before = node.run("cat /etc/machine-id /etc/ssh/ssh_host_*.pub").stdout
    node.reboot()
    assert node.run("cat /etc/machine-id /etc/ssh/ssh_host_*.pub").stdout == before


def test_its_units_come_up_and_those_that_disturb_wsl_do_not(node: Node) -> None:
    node.run("systemctl is-system-running --wait", timeout=120)
    assert node.run("systemctl --failed --no-legend --plain").stdout == ""
    for unit in ("systemd-networkd.service", "systemd-resolved.service", "systemd-tmpfiles-setup.service", "tmp.mount"):
        assert node.run(f"systemctl is-enabled {unit}").stdout.strip() in ("masked", "not-found"), unit
    assert node.run("systemctl is-active containerd ssh").stdout.split() == ["active", "active"]
    # the driver was not there when the image was made
    assert "nvidia.com/gpu" in node.run("nvidia-ctk cdi list").stdout
    assert node.run("test -s /etc/cdi/wslgpu-video.yaml").ok


def test_cloud_init_reads_windows_user_data_and_leaves_the_network_alone(node: Node) -> None:
    done = node.run("cloud-init status --wait --format json", timeout=120).stdout
    assert json.loads(done)["errors"] == []
    assert node.run("cat /etc/systemd/network/*cloud-init* /etc/netplan/* 2>/dev/null").stdout == ""
    merged = node.run("grep -h datasource_list /etc/cloud/cloud.cfg.d/90-wslgpu.cfg").stdout
    assert merged == "datasource_list: [WSL, None]\n"


def test_a_deploy_to_it_brings_the_container_images_and_the_suites_are_green(images: Images, booted: Lab) -> None:
    """What is data of the machine (GPU, images) is all that a deploy finds to do."""
    where = ("--lab", booted.name, "--site", str(images.source.site_file))
    done = wslgpu("apply", *where, "--json")
    assert done.returncode == 0, done.stderr
    changed = json.loads(done.stdout)["hosts"]["node1"]["changed"]
    brought = [name for name in changed if not name.endswith(("Note what is there before it", "node's manifest"))]
    assert [name.rpartition("| ")[2] for name in brought] == [
        "Pull the base image by digest",
        "Pull the runtime image by digest",
        "Pull the devel image by digest",
    ]
    verified = wslgpu("verify", *where, "--json")
    assert verified.returncode == 0, verified.stdout


# the first run


def oobe(node: Node, **environment: str) -> tuple[int, str]:
    """Run it without a terminal."""
    words = ["env", *(f"{key}={value}" for key, value in environment.items()), "sh", OOBE]
    done = node.nsenter(words, check=False, timeout=330)
    return done.rc, done.stderr


def users(node: Node) -> list[str]:
    return node.nsenter("getent passwd 1000 1001 | cut -d: -f1", check=False).stdout.split()


@pytest.fixture
def nobody(node: Node) -> Iterator[Node]:
    """The node without a user, and again afterwards."""
    forget = "for name in ada grace; do userdel --remove $name; done >/dev/null 2>&1; true"
    node.nsenter(forget)
    yield node
    node.nsenter(forget)


def test_the_first_run_makes_the_user_and_may_be_run_again(nobody: Node) -> None:
    assert oobe(nobody, WSLGPU_USER="ada")[0] == 0
    assert users(nobody) == ["ada"]
    groups = nobody.nsenter("id -nG ada").stdout.split()
    assert {"ada", "adm", "sudo"} <= set(groups)
    nobody.nsenter("gpasswd --delete ada sudo")  # as after a cut
    assert oobe(nobody, WSLGPU_USER="grace")[0] == 0
    assert users(nobody) == ["ada"], "there is one already"
    assert "sudo" in nobody.nsenter("id -nG ada").stdout.split()
    assert nobody.nsenter("getent shadow ada").stdout.split(":")[1] in ("!", "*", "!*")


@pytest.mark.parametrize("name", ["Ada", "root", "a b", "-x", "a;reboot", "x" * 40])
def test_the_first_run_refuses_a_name_and_makes_nobody(nobody: Node, name: str) -> None:
    code, said = oobe(nobody, WSLGPU_USER=name)
    assert code == 1
    assert name in said
    assert users(nobody) == []


def test_the_first_run_without_anybody_to_ask_says_how_to_give_a_name(nobody: Node) -> None:
    code, said = oobe(nobody)
    assert code == 1
    assert "WSLGPU_USER=NAME" in said
    assert users(nobody) == []


@pytest.mark.parametrize("line", [b"ada\n", b"ada"])
def test_the_first_run_takes_a_name_from_a_line_that_it_is_given(nobody: Node, line: bytes) -> None:
    done = nobody.nsenter(["sh", OOBE], stdin=line, check=False, timeout=330)
    assert done.rc == 0, done.stderr
    assert "No password is set: wsl --user root passwd ada" in done.stderr
    assert users(nobody) == ["ada"]


def test_the_first_run_asks_a_person_until_the_name_is_one(nobody: Node) -> None:
    """At a terminal: a wrong name, a right one, then the password twice, which is never shown."""
    master, slave = pty.openpty()
    argv = nobody.nsenter_argv(["sh", OOBE])
    shown = io.StringIO()
    with subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as process:
        os.close(slave)

        def answer(question: str, words: str) -> None:
            begin = len(shown.getvalue())
            deadline = time.monotonic() + 60
            while question not in shown.getvalue()[begin:].lower():
                assert time.monotonic() < deadline, shown.getvalue()
                shown.write(os.read(master, 4096).decode(errors="replace"))
            os.write(master, f"{words}\n".encode())

        answer("name:", "Ada Lovelace")
        answer("name:", "ada")
        answer("password:", "correct horse battery")
        answer("password:", "correct horse battery")
        assert process.wait(timeout=30) == 0, shown.getvalue()
    os.close(master)
    assert users(nobody) == ["ada"]
    assert nobody.nsenter("getent shadow ada").stdout.split(":")[1].startswith("$")
    assert "correct horse" not in shown.getvalue()


# what goes wrong


def test_a_place_without_room_is_refused_before_anything_is_made(source: Lab, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=True)
    try:
        (small / "a.wsl").write_text(OLD)
        done = wslgpu("image", "build", "--site", str(source.site_file), "--to", str(small / "a.wsl"), "--json")
        assert done.returncode == 1
        assert "the disk is full" in done.stderr
        assert "Traceback" not in done.stderr
        assert sorted(path.name for path in small.iterdir()) == ["a.wsl"]
        assert_old_one_stands(small / "a.wsl")
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_disk_that_fills_up_while_the_image_is_written(tmp_path: Path) -> None:
    root, small = tmp_path / "root", tmp_path / "small"
    root.mkdir()
    small.mkdir()
    (root / "noise").write_bytes(os.urandom(3_000_000))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=True)
    try:
        with (
            pytest.raises(WslgpuError, match=r"the disk is full: building a\.wsl") as caught,
            named_trouble(small / "a.wsl"),
        ):
            pack(root, small / ".a.wsl.new", epoch=0)
        assert caught.value.exit_code == 1
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "/nowhere/a.wsl"), "cannot be a file there"),
        (("--to", "/tmp/a.tar"), "must end with .wsl"),
        (("--to", "/tmp/a.wsl", "--name", "a b"), "cannot name a distro"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_made(words: tuple[str, ...], said: str) -> None:
    done = wslgpu("image", "build", *words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("stage", ["provisioning it", "Install containerd", "taking out what", "packing", "judging it"])
def test_killed_at_each_stage_and_built_again(images: Images, tmp_path: Path, stage: str) -> None:
    target = tmp_path / "a.wsl"
    target.write_text(OLD)
    builder = Builder(images.source.site_file, target)
    builder.wait_for(stage)
    builder.kill()
    assert_old_one_stands(target)
    assert digest(Builder(images.source.site_file, target).done()) == digest(images.first.target)
    assert not builder.machine
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.long
def test_an_image_under_a_lock(lab_factory: LabFactory, tmp_path: Path) -> None:
    """Every package that the lock names has its version, and the lock's digest is in the image."""
    locked = lab_factory(lock=True)
    target = tmp_path / "a.wsl"
    words = ("image", "build", "--site", str(locked.site_file), "--to", str(target), "--json")
    done = wslgpu(*words, "--lock", str(locked.lock_file), timeout_s=BUILD_TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    lock = f"sha256:{digest(locked.lock_file)}"
    assert json.loads(done.stdout)["lock"] == lock
    assert json.loads(wslgpu("image", "show", "--json", str(target)).stdout)["lock"] == lock
