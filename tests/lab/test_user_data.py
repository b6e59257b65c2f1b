"""An existing distro becomes a node by user-data: the genuine cloud-init of Debian 13, with its WSL data source."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support import cloud_init
from tests.lab.support.command import wslgpu
from tests.lab.support.nodes import wait_until
from tests.lab.support.project import archive
from wslgpu.host_files import sha256_of_file
from wslgpu.image.user_data import LOG, PER_BOOT, PLACE
from wslgpu.lab import Lab, Node
from wslgpu.lab.shell import run

pytestmark = pytest.mark.lab
USER = "ann"
ON_WINDOWS = r"C:\Users\lab\bundle.tar"
ONLY_SSH = """\
table inet wslgpu_test {
 chain input { type filter hook input priority 0; policy drop; iif lo accept; tcp dport 22 accept; }
 chain output { type filter hook output priority 0; policy drop; oif lo accept; tcp sport 22 accept; }
}
"""


@dataclass(frozen=True)
class Distro:
    """A node with cloud-init, and the lab's bundle on its Windows drive."""

    lab: Lab
    bundle: Path

    @property
    def node(self) -> Node:
        return self.lab.node()

    @property
    def sha256(self) -> str:
        return sha256_of_file(self.bundle)

    @property
    def lock_digest(self) -> str:
        return f"sha256:{sha256_of_file(self.lab.lock_file)}"

    def user_data(self, folder: Path, *words: str) -> str:
        """Let the command write it, and put it into the Windows profile."""
        done = wslgpu(
            *("image", "user-data", "--to", str(folder), "--user", USER),
            *("--site", str(self.lab.site_file), "--lock", str(self.lab.lock_file), *words),
        )
        assert done.returncode == 0, done.stderr
        text = (folder / ".cloud-init/default.user-data").read_text()
        self.node.put(f"{cloud_init.FOLDER}/default.user-data", text)
        return text

    def cut_off(self) -> None:
        """Nothing but ssh goes in or out, until the node starts again."""
        run(["nsenter", f"--target={self.node.leader()}", "--net", "nft", "-f", "-"], stdin=ONLY_SSH.encode())

    def log(self) -> str:
        return self.node.nsenter(f"cat {LOG}").stdout


@pytest.fixture(scope="module")
def distro(lab_factory: LabFactory, tmp_path_factory: pytest.TempPathFactory) -> Distro:
    lab = lab_factory(lock=True)
    node = lab.node()
    cloud_init.install(node)
    bundle = tmp_path_factory.mktemp("bundle") / "bundle.tar"
    without = [word for kind in ("sources", "device-plugin", "vllm") for word in ("--without", kind)]
    words = ("--lock", str(lab.lock_file), "--site", str(lab.site_file), "--to", str(bundle))
    done = wslgpu("bundle", "make", *words, *without)
    assert done.returncode == 0, done.stderr
    node.put("/mnt/c/Users/lab/bundle.tar", bundle.read_bytes())
    return Distro(lab, bundle)


def test_a_wrong_hash_fails_visibly_and_nothing_is_unpacked(distro: Distro, tmp_path: Path) -> None:
    assert not cloud_init.begin(distro.node), "there is no user-data yet, and cloud-init begins all the same"
    text = distro.user_data(tmp_path, "--bundle", ON_WINDOWS, "--sha256", "0" * 64)
    checked = distro.node.nsenter(f"cloud-init schema --config-file {cloud_init.FOLDER}/default.user-data")
    assert "Valid schema" in checked.stdout
    assert cloud_init.begin(distro.node)
    status = cloud_init.wait(distro.node)
    assert (status.code, status.status) == (1, "error"), status
    assert "scripts-per-boot" in str(status.document["errors"])
    said = distro.node.nsenter("cat /var/log/cloud-init-output.log").stdout
    assert "has not the sha256 0000" in said
    assert "tried again at the next start" in said
    assert distro.node.nsenter(f"ls {PLACE}").stdout.split() == ["fetch.py", "first_boot.sh", "site.yml"]
    assert distro.node.nsenter(f"stat -c '%a %U' {PER_BOOT} {LOG}").stdout == "755 root\n640 root\n"
    assert text.startswith("#cloud-config\n")


def test_a_run_that_is_cut_off_goes_on_at_the_next_start_without_a_network(distro: Distro, tmp_path: Path) -> None:
    node = distro.node
    keys = node.nsenter("cat /etc/ssh/ssh_host_*").stdout
    distro.user_data(tmp_path, "--bundle", ON_WINDOWS, "--sha256", distro.sha256)
    cloud_init.forget(node)
    cloud_init.restart(node)
    distro.cut_off()
    assert cloud_init.begin(node)
    wait_until(node, f"test -e {PLACE}/node-{distro.sha256[:12]}/project/.venv.new", 120)
    cloud_init.restart(node)
    assert not node.nsenter(f"test -e {PLACE}/done", check=False).ok
    distro.cut_off()
    assert cloud_init.begin(node)
    status = cloud_init.wait(node)
    assert (status.code, status.status) == (0, "done"), distro.log()[-3000:]
    assert status.document["errors"] == []
    assert node.nsenter("cloud-id").stdout.strip() == "wsl"

    assert node.nsenter(f"id -nG {USER}").stdout.split()[1:] == ["adm", "sudo"]
    assert "\n[user]\ndefault=ann\n" in node.nsenter("cat /etc/wsl.conf").stdout
    assert node.nsenter("hostname").stdout.strip() == node.name
    assert node.nsenter("cat /etc/ssh/ssh_host_*").stdout == keys
    manifest = json.loads(node.nsenter("cat /var/lib/wslgpu/manifest.json").stdout)
    assert distro.lock_digest in json.dumps(manifest)
    verified = wslgpu("verify", "--lab", distro.lab.name)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_start_after_that_does_nothing(distro: Distro) -> None:
    node = distro.node
    before = node.nsenter(f"stat -c %Y {PLACE}/done; cat /var/lib/wslgpu/manifest.json").stdout
    cloud_init.restart(node)
    assert cloud_init.begin(node)
    status = cloud_init.wait(node)
    assert (status.code, status.status) == (0, "done"), status
    assert "this node is at its lock already" in distro.log().splitlines()[-1]
    assert node.nsenter(f"stat -c %Y {PLACE}/done; cat /var/lib/wslgpu/manifest.json").stdout == before
    again = node.nsenter(
        f"{PLACE}/project/.venv/bin/wslgpu apply local --bundle /mnt/c/Users/lab/bundle.tar", timeout=200
    )
    assert "@local: nothing to change" in again.stdout, again.stdout


@pytest.mark.long
def test_a_clone_at_a_commit_is_provisioned_without_a_bundle(new_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = new_lab(lock=True)
    distro = Distro(lab, tmp_path / "none")
    cloud_init.install(distro.node)
    commit, repository = repository_of_the_project(tmp_path)
    run(["tar", "--create", "--file", tmp_path / "repository.tar", "--directory", repository, "."])
    distro.node.nsenter("mkdir /srv/wslgpu.git")
    distro.node.nsenter(
        "tar --extract --no-same-owner --directory /srv/wslgpu.git", stdin=(tmp_path / "repository.tar").read_bytes()
    )
    distro.user_data(tmp_path, "--repository", "file:///srv/wslgpu.git", "--commit", commit)
    assert cloud_init.begin(distro.node)
    status = cloud_init.wait(distro.node)
    assert (status.code, status.status) == (0, "done"), distro.log()[-3000:]
    assert "Verified 1 host" in distro.log()
    assert distro.node.nsenter(f"git -C {PLACE}/project rev-parse HEAD").stdout.strip() == commit
    assert distro.lock_digest in distro.node.nsenter("cat /var/lib/wslgpu/manifest.json").stdout


def repository_of_the_project(folder: Path) -> tuple[str, Path]:
    """A bare repository with one commit of the project as it is; the commit, and where it is."""
    work, bare = folder / "work", folder / "bare.git"
    work.mkdir()
    subprocess.run(["tar", "--extract", "--directory", work], input=archive(), check=True)
    who = ["-c", "user.name=lab", "-c", "user.email=lab@invalid"]
    for words in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "--message", "All"]):
        subprocess.run(["git", *words], cwd=work, check=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", work, bare], check=True)
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=work, capture_output=True, text=True, check=True)
    return found.stdout.strip(), bare


@pytest.mark.long
def test_debian_12s_cloud_init_has_no_such_source(new_lab: Callable[..., Lab]) -> None:
    node = new_lab(base="bookworm", servers=False).node()
    cloud_init.install(node)
    sources = node.nsenter("ls /usr/lib/python3/dist-packages/cloudinit/sources").stdout
    assert "DataSourceNoCloud.py" in sources
    assert "DataSourceWSL.py" not in sources
