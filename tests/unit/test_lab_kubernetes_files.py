"""What a lab's control plane is made of: certificates, kubeconfigs, units; and what is refused before one is made."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from wslgpu.build.licence import licence_of
from wslgpu.build.pins import load_builds
from wslgpu.build.plan import make_plan
from wslgpu.kubernetes import bootstrap
from wslgpu.lab.errors import LabError
from wslgpu.lab.kubernetes import authority, control_plane, ensure, requirements
from wslgpu.lab.root import RootSpec
from wslgpu.lab.shape import HERE
from wslgpu.settings import load

ADDRESS = "10.201.0.10"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A node's root and the lab's folder, with everything in them."""
    root, directory = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("lab")
    for folder in ("etc/systemd/system", HERE):
        (root / folder).mkdir(parents=True)
    control_plane.give(root, directory, node="node1", address=ADDRESS)
    return root, directory


def openssl(*words: str | Path) -> str:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=True).stdout


def test_certificates_hold_for_what_they_are_used_for(given: tuple[Path, Path]) -> None:
    keys = given[0] / "etc/kubernetes/pki"
    ca = keys / "ca.crt"
    for name, purpose in (("apiserver", "sslserver"), ("kubelet-client", "sslclient")):
        verified = openssl("verify", "-CAfile", ca, "-purpose", purpose, keys / f"{name}.crt")
        assert verified.endswith(": OK\n")
        public = openssl("x509", "-in", keys / f"{name}.crt", "-noout", "-pubkey")
        assert public == openssl("pkey", "-in", keys / f"{name}.key", "-pubout")
    for name in ("node1", "localhost"):
        assert "does match" in openssl("x509", "-in", keys / "apiserver.crt", "-noout", "-checkhost", name)
    for address in ("127.0.0.1", ADDRESS, "10.96.0.1"):
        assert "does match" in openssl("x509", "-in", keys / "apiserver.crt", "-noout", "-checkip", address)
    assert "NOT match" in openssl("x509", "-in", keys / "apiserver.crt", "-noout", "-checkip", "10.201.0.99")


def test_secrets_are_for_root_only_and_never_the_same(given: tuple[Path, Path]) -> None:
    root, directory = given
    secret = [directory / "kubeconfig", directory / "bootstrap.kubeconfig", *(root / "etc/kubernetes").glob("*.conf")]
    secret += [*(root / "etc/kubernetes/pki").glob("*.key"), root / "etc/kubernetes/pki/tokens.csv"]
    assert len(secret) == 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    one, other = authority.make(["IP:127.0.0.1"]), authority.make(["IP:127.0.0.1"])
    assert not {*one.tokens.values()} & {*other.tokens.values()}
    assert one.certificate != other.certificate
    assert one.tokens["admin"] not in repr(one)


def test_nodes_join_with_what_the_lab_has(given: tuple[Path, Path]) -> None:
    root, directory = given
    cluster = bootstrap.read(str(directory / "bootstrap.kubeconfig"))
    assert cluster.server == f"https://{ADDRESS}:6443"
    assert cluster.authority == (root / "etc/kubernetes/pki/ca.crt").read_text()
    token = yaml.safe_load(cluster.kubeconfig)["users"][0]["user"]["token"]
    table = dict(line.split(",", 1) for line in (root / "etc/kubernetes/pki/tokens.csv").read_text().splitlines())
    assert table[token].endswith(',"system:bootstrappers"')
    assert control_plane.site_data(directory) == {
        "kubernetes_role": "join",
        "kubernetes_join_kubeconfig_file": str(directory / "bootstrap.kubeconfig"),
    }


def test_units_start_at_boot_and_listen_where_they_should(given: tuple[Path, Path]) -> None:
    units = given[0] / "etc/systemd/system"
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        assert (units / f"multi-user.target.wants/{name}.service").is_symlink()
        text = (units / f"{name}.service").read_text()
        assert "Restart=always" in text
        if name != "kube-apiserver":
            assert "127.0.0.1" in text
    assert "--anonymous-auth=false" in (units / "kube-apiserver.service").read_text()
    assert not list(units.rglob("kubelet*"))
    network = json.loads((given[0] / "etc/cni/net.d/10-wslgpu-lab.conflist").read_text())
    assert network["plugins"][0]["ipMasq"] is True
    assert (given[0] / HERE / "sysctl/kernel/panic_on_oops").read_text() == "1\n"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"cgroup": "v2"}, "--cgroup"),
        ({"nodes": 2}, "--nodes"),
        ({"kind": "fresh"}, "--kind"),
        ({"device_plugin": Path("/nowhere/plugin")}, "/nowhere/plugin"),
        ({"device_plugin": Path(__file__)}, __file__),
        ({"kubernetes": False, "device_plugin": Path("/bin/true")}, "--device-plugin"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], where: str) -> None:
    fitting = {"kubernetes": True, "device_plugin": None, "nodes": 1, "kind": "node", "cgroup": "v1"}
    requirements.require(**fitting)  # type: ignore[arg-type]
    with pytest.raises(LabError) as refused:
        requirements.require(**{**fitting, **changes})  # type: ignore[arg-type]
    assert (refused.value.where, refused.value.exit_code) == (where, 2)
    assert refused.value.next_step


def test_only_a_control_plane_has_another_root() -> None:
    plain, other = RootSpec("trixie"), RootSpec("trixie", control_plane=True)
    assert {*other.packages} - {*plain.packages} == {
        "containernetworking-plugins",
        "etcd-server",
        "iptables",
        "kubernetes-client",
    }
    assert plain.key() != other.key()
    # the shelf of one takes what begins with its prefix
    assert not other.prefix.startswith(plain.prefix)


def test_the_servers_are_pinned_and_their_recipe_fits() -> None:
    table, _ = load_builds(ensure.BUILDS_FILE)
    settings = load(None).model_copy(update={"builds": table.builds, "build_sources": table.sources})
    plan = make_plan(ensure.KUBERNETES, settings, recipes=ensure.RECIPES["kubernetes"].parent)
    assert all(pin.verified for pin in plan.sources.values())
    assert licence_of(plan.recipe, plan.options, plan.sources) == "Apache-2.0"
    # what the lab builds is nothing that a user's site could ask for
    assert not {*table.builds} & {*load(None).builds}
