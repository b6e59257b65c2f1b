"""A node prepared for Kubernetes, with k3s (its stand-in), and with all that can be wrong when it is to join."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import Outcome, apply, refused, site
from tests.lab.support.end_state import differences, end_state
from tests.lab.support.kubernetes_node import ONLY, done, there
from wslgpu.lab import Lab, Node
from wslgpu.lab.faults import Fault
from wslgpu.settings import PROJECT_ROOT

pytestmark = pytest.mark.lab

STAND_IN = PROJECT_ROOT / "wslgpu" / "lab" / "stand_ins" / "k3s" / "k3s.sh"
K3S = "v1.33.1+k3s1"
K3S_FILES = (
    "/usr/local/bin/k3s",
    "/etc/rancher",
    "/etc/systemd/system/k3s.service",
    "/etc/cni/net.d/10-wslgpu.conflist",
)
SYSCTL_FILE = "/etc/sysctl.d/90-wslgpu-kubernetes.conf"
FEATURE_FILE = "/etc/kubernetes/node-feature-discovery/features.d/wslgpu"
KUBELET = "/usr/local/bin/kubelet"
"""In these tests: a few lines of sh, which say the version that a test is about."""
PEM = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"
TOKEN = "abcdef.0123456789canary0"
PLACES = ("/etc/kubernetes/bootstrap-kubelet.conf", "/var/lib/kubelet", "/etc/systemd/system/kubelet.service")


def role(lab: Lab, name: str, **settings: Any) -> Outcome:
    """Apply the component with the node in this role."""
    with site(lab, kubernetes_role=name, **settings):
        return apply(lab, *ONLY)


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    assert apply(lab, "--only", "containerd").code == 0
    return lab.node()


@pytest.fixture
def bare(lab: Lab, node: Node) -> Iterator[Node]:
    """A node without any role, at the beginning and at the end."""
    assert there(node, SYSCTL_FILE, "/etc/kubernetes", *K3S_FILES, *PLACES) == []
    yield node
    done_again = role(lab, "none")
    assert done_again.code == 0, done_again


def join_file(folder: Path, pem: str = PEM, mode: int = 0o600) -> str:
    cluster = {
        "server": "https://192.0.2.1:6443",
        "certificate-authority-data": base64.b64encode(pem.encode()).decode(),
    }
    path = folder / "bootstrap.kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {"token": TOKEN}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    path.chmod(mode)
    return str(path)


def kubelet(node: Node, version: str, then: str = "exec sleep infinity") -> None:
    """A kubelet of this version, which does nothing but this when it is started."""
    node.put(
        KUBELET, f'#!/bin/sh\nif [ "$1" = --version ]; then echo "Kubernetes {version}"; exit; fi\n{then}\n', 0o755
    )


# prepare


def test_prepare_and_none_after_it_leaves_no_trace(lab: Lab, bare: Node) -> None:
    assert role(lab, "none").code == 0  # from then on the node has a manifest, which says the same at the end
    before = end_state(bare)
    bare.nsenter("sysctl -q -w net.ipv4.ip_forward=0")
    done(role(lab, "prepare"), changed=True)
    assert bare.run("sysctl -n net.ipv4.ip_forward").stdout == "1\n"
    assert "-net.ipv4.ip_forward = 1" in bare.run(f"cat {SYSCTL_FILE}", check=True).stdout
    assert "nvidia.com/gpu.present=true" in bare.run(f"cat {FEATURE_FILE}", check=True).stdout
    done(role(lab, "prepare"), changed=False)
    done(role(lab, "none"), changed=True)
    assert differences(end_state(bare), before) == []
    done(role(lab, "none"), changed=False)


def test_a_key_that_the_node_may_not_write_is_said(lab: Lab, bare: Node) -> None:
    key = "/proc/sys/net/ipv4/ip_forward"
    bare.nsenter(f"echo 0 >{key} && mount --bind {key} {key} && mount -o remount,ro,bind {key}")
    try:
        outcome = role(lab, "prepare")
        assert outcome.code == 0, outcome
        assert "net.ipv4.ip_forward cannot be set to 1: this node may not write it, and it is 0" in outcome.told
    finally:
        bare.nsenter(f"umount {key}")
    assert bare.nsenter(f"cat {key}").stdout == "0\n"


def test_somebody_elses_files_stay(lab: Lab, bare: Node) -> None:
    bare.put("/etc/sysctl.d/99-mine.conf", "net.ipv4.ip_forward = 1\n")
    done(role(lab, "prepare"), changed=True)
    done(role(lab, "none"), changed=True)
    assert there(bare, "/etc/sysctl.d/99-mine.conf") == ["/etc/sysctl.d/99-mine.conf"]
    bare.nsenter("rm /etc/sysctl.d/99-mine.conf")


# k3s: its stand-in, served by the lab


@pytest.fixture
def k3s(lab: Lab) -> dict[str, Any]:
    """Settings that name the stand-in with its hash."""
    content = STAND_IN.read_bytes()
    place = lab.repository.www / "k3s" / "k3s"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)
    url = f"{lab.state.base_url}/k3s/k3s"
    pin = {"url": url, "sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content), "source": url}
    return {"kubernetes_k3s_version": K3S, "kubernetes_k3s_versions": {K3S: pin}, "kubernetes_join_timeout_s": 30}


def test_k3s_comes_runs_and_goes(lab: Lab, bare: Node, k3s: dict[str, Any]) -> None:
    done(role(lab, "k3s", **k3s), changed=True)
    assert there(bare, *K3S_FILES) == list(K3S_FILES)
    assert bare.run("systemctl is-active k3s; systemctl is-enabled k3s").stdout == "active\nenabled\n"
    assert bare.run("stat -c '%a %U' /etc/rancher/k3s/k3s.yaml /etc/rancher/k3s/config.yaml").stdout == "600 root\n" * 2
    assert bare.run("cat /var/lib/rancher/k3s/asked").stdout == "server\n"
    asked = yaml.safe_load(bare.run("cat /var/lib/rancher/k3s/asked.yaml").stdout)
    assert asked["bind-address"] == "127.0.0.1"
    assert asked["disable"] == ["traefik", "servicelb"]
    assert asked["container-runtime-endpoint"] == "unix:///run/containerd/containerd.sock"
    assert asked["node-label"] == ["nvidia.com/gpu.present=true"]
    assert "cgroup-driver=systemd" in asked["kubelet-arg"]
    assert asked["write-kubeconfig-mode"] == "0600"
    pid = bare.run("systemctl show k3s --property=MainPID --value").stdout
    done(role(lab, "k3s", **k3s), changed=False)
    assert bare.run("systemctl show k3s --property=MainPID --value").stdout == pid

    # other data: taken up by a restart
    told = role(lab, "k3s", **k3s, kubernetes_k3s_listen="127.0.0.2").told
    assert "listens on 127.0.0.2" not in told
    assert "on loopback only, where no pod reaches it" in told
    assert yaml.safe_load(bare.run("cat /var/lib/rancher/k3s/asked.yaml").stdout)["bind-address"] == "127.0.0.2"
    open_to_all = role(lab, "k3s", **k3s, kubernetes_k3s_listen=bare.address)
    assert f"k3s listens on {bare.address}:6443" in open_to_all.told, open_to_all

    # another role: k3s goes, and what the role needs stays; the cluster's data is nobody's to delete
    done(role(lab, "prepare"), changed=True)
    assert there(bare, *K3S_FILES, SYSCTL_FILE) == [SYSCTL_FILE]
    assert bare.run("systemctl is-active k3s").stdout == "inactive\n"
    assert there(bare, "/var/lib/rancher/k3s/asked") == ["/var/lib/rancher/k3s/asked"]
    bare.nsenter("rm -r /var/lib/rancher")


def test_k3s_of_another_hash_is_never_in_place_17(lab: Lab, bare: Node, k3s: dict[str, Any]) -> None:
    k3s["kubernetes_k3s_versions"][K3S]["sha256"] = "0" * 64
    refused(role(lab, "k3s", **k3s), "integrity", "k3s", "0" * 64, "sha256sum-amd64.txt", step="Run k3s")
    assert there(bare, *K3S_FILES) == []
    assert bare.nsenter("ls -A /usr/local/bin | grep wslgpu", check=False).stdout == ""


def test_a_flipped_byte_and_a_cut_transfer_are_noticed_18(lab: Lab, bare: Node, k3s: dict[str, Any]) -> None:
    lab.faults.set("/k3s/", Fault(flip_byte=True))
    try:
        refused(role(lab, "k3s", **k3s), "integrity", "was thrown away")
        lab.faults.set("/k3s/", Fault(truncate_at=0.5))
        refused(role(lab, "k3s", **k3s), "network", "fetching k3s", retryable=True)
    finally:
        lab.faults.clear()
    assert there(bare, "/usr/local/bin/k3s") == []
    done(role(lab, "k3s", **k3s), changed=True)


def test_a_k3s_that_ends_at_once_says_why(lab: Lab, bare: Node, k3s: dict[str, Any]) -> None:
    broken = (
        STAND_IN.read_text()
        .replace("if grep -q '^fail: ' \"$config\"", "if true")
        .replace("$(sed -n 's/^fail: //p' \"$config\")", "no such interface")
    )
    (lab.repository.www / "k3s" / "k3s").write_text(broken)
    k3s["kubernetes_k3s_versions"][K3S]["sha256"] = hashlib.sha256(broken.encode()).hexdigest()
    refused(role(lab, "k3s", **k3s), "platform", "k3s ends by itself", "no such interface", step="Run k3s")


def test_somebody_elses_k3s_is_left_alone(lab: Lab, bare: Node, k3s: dict[str, Any]) -> None:
    bare.put("/usr/local/bin/k3s", "#!/bin/sh\nexec sleep infinity\n", 0o755)
    bare.put("/etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n")
    bare.nsenter("systemctl daemon-reload && systemctl start k3s")
    try:
        refused(role(lab, "k3s", **k3s), "platform", "k3s", "not wslgpu's", step="Run k3s")
        assert role(lab, "none").code == 0
        assert bare.run("systemctl is-active k3s").stdout == "active\n"
        bare.nsenter("systemctl stop k3s")
        refused(role(lab, "k3s", **k3s), "platform", "wslgpu did not bring: /usr/local/bin/k3s")
        assert there(bare, "/usr/local/bin/k3s", "/etc/rancher") == ["/usr/local/bin/k3s"]
    finally:
        bare.nsenter(
            "systemctl stop k3s; rm -f /usr/local/bin/k3s /etc/systemd/system/k3s.service; systemctl daemon-reload"
        )


# join, and what stands in its way


def joins(lab: Lab, file: str, **settings: Any) -> Outcome:
    data = {"kubernetes_kubelet": KUBELET, "kubernetes_join_timeout_s": 30, **settings}
    return role(lab, "join", kubernetes_join_kubeconfig_file=file, **data)


def test_a_join_file_that_others_may_read(lab: Lab, bare: Node, tmp_path: Path) -> None:
    outcome = joins(lab, join_file(tmp_path, mode=0o644))
    assert outcome.code == 2, outcome
    assert "mode 0644: others may read it" in str(outcome)
    assert TOKEN not in str(outcome)
    assert there(bare, *PLACES, SYSCTL_FILE) == []


def test_no_kubelet(lab: Lab, bare: Node, tmp_path: Path) -> None:
    error = refused(joins(lab, join_file(tmp_path)), "platform", f"no kubelet at {KUBELET}", step="Join the cluster")
    assert "package kubelet" in error["next_step"]
    assert there(bare, *PLACES) == []


def test_a_node_of_another_cluster_is_left_alone(lab: Lab, bare: Node, tmp_path: Path) -> None:
    kubelet(bare, "v1.34.1")
    other = join_file(tmp_path, PEM.replace("TUlJ", "QUJD"))
    config = Path(other).read_text().replace("192.0.2.1", "198.51.100.7")
    bare.put("/etc/kubernetes/kubelet.conf", config, 0o600)
    try:
        refused(
            joins(lab, join_file(tmp_path)),
            "platform",
            "belongs to the cluster at https://198.51.100.7:6443",
            "kubeadm reset",
        )
        assert bare.nsenter("cat /etc/kubernetes/kubelet.conf").stdout == config
        assert there(bare, "/var/lib/kubelet/config.yaml", "/etc/kubernetes/bootstrap-kubelet.conf") == []
        assert role(lab, "none").code == 0
        assert bare.nsenter("cat /etc/kubernetes/kubelet.conf").stdout == config
    finally:
        bare.nsenter(f"rm -r /etc/kubernetes {KUBELET}")


def test_a_kubelet_that_ends_at_once_says_why(lab: Lab, bare: Node, tmp_path: Path) -> None:
    kubelet(bare, "v1.34.1", 'echo "E1125 21:00:00.000000 1 server.go:1] no such cgroup driver" >&2; exit 1')
    try:
        refused(joins(lab, join_file(tmp_path)), "platform", "kubelet ends by itself", "no such cgroup driver")
    finally:
        role(lab, "none")
        bare.nsenter(f"rm {KUBELET}")
    assert there(bare, "/etc/systemd/system/kubelet.service", "/var/lib/kubelet/config.yaml") == []


def test_a_kubelet_that_gets_no_certificate_and_its_token(lab: Lab, bare: Node, tmp_path: Path) -> None:
    """The token is in one file of mode 0600 and nowhere else, and is gone when the role is."""
    kubelet(bare, "v1.34.1")
    file = join_file(tmp_path)
    try:
        outcome = joins(lab, file, kubernetes_join_timeout_s=3)
        refused(outcome, "timeout", "got no certificate from https://192.0.2.1:6443", step="Join the cluster")
        assert TOKEN not in str(outcome)
        bootstrap = "/etc/kubernetes/bootstrap-kubelet.conf"
        assert bare.run(f"stat -c '%a %U' {bootstrap}").stdout == "600 root\n"
        assert bare.run(f"cat {bootstrap}").stdout == Path(file).read_text()
        found = bare.nsenter(
            f"grep -rlF {TOKEN} /etc /var/log /run/systemd /var/lib/wslgpu", check=False
        ).stdout.split()
        assert found == [bootstrap]
        assert bare.nsenter(f"journalctl --no-pager | grep -cF {TOKEN}", check=False).stdout == "0\n"
        config = yaml.safe_load(bare.run("cat /var/lib/kubelet/config.yaml").stdout)
        assert config["cgroupDriver"] == "systemd"
        assert config["containerRuntimeEndpoint"] == "unix:///run/containerd/containerd.sock"
        arguments = bare.run("tr '\\0' ' ' </proc/$(systemctl show kubelet -P MainPID)/cmdline", check=True).stdout
        assert "sleep" in arguments
        unit = bare.run("cat /etc/systemd/system/kubelet.service").stdout
        assert (
            f"ExecStart={KUBELET} --bootstrap-kubeconfig={bootstrap} --kubeconfig=/etc/kubernetes/kubelet.conf" in unit
        )
        assert "--container-runtime" not in unit
    finally:
        assert role(lab, "none").code == 0
        bare.nsenter(f"rm {KUBELET}")
    assert there(bare, "/etc/systemd/system/kubelet.service", "/var/lib/kubelet/config.yaml", bootstrap) == []
    assert bare.run("systemctl is-active kubelet").stdout == "inactive\n"


def test_a_package_of_kubeadms_keeps_its_unit(lab: Lab, bare: Node, tmp_path: Path) -> None:
    kubelet(
        bare,
        "v1.34.1",
        'echo "$KUBELET_KUBEADM_ARGS" >/run/kubelet-args; echo "$@" >>/run/kubelet-args; exec sleep infinity',
    )
    unit = "/usr/lib/systemd/system/kubelet.service"
    bare.put(unit, f"[Service]\nExecStart={KUBELET}\n[Install]\nWantedBy=multi-user.target\n")
    bare.put(
        f"{unit}.d/10-kubeadm.conf",
        "[Service]\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nExecStart=\n"
        f"ExecStart={KUBELET} --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS\n",
    )
    bare.nsenter("systemctl daemon-reload")
    try:
        refused(joins(lab, join_file(tmp_path), kubernetes_join_timeout_s=2), "timeout", "got no certificate")
        assert there(bare, "/etc/systemd/system/kubelet.service") == []
        said = bare.run("cat /run/kubelet-args", check=True).stdout
        labels = "--node-labels=nvidia.com/gpu.present=true"
        assert said == f"{labels}\n--config=/var/lib/kubelet/config.yaml {labels}\n"
        assert role(lab, "none").code == 0
        assert there(bare, "/etc/systemd/system/kubelet.service.d", unit) == [unit]
    finally:
        bare.nsenter(f"rm -rf {unit} {unit}.d {KUBELET} && systemctl daemon-reload")


def test_control_groups_version_1_is_refused_only_by_a_kubelet_that_does_53(
    new_lab: LabFactory, tmp_path: Path
) -> None:
    lab = new_lab(cgroup="v1", servers=False)
    node = lab.node()
    kubelet(node, "v1.35.0")
    file = join_file(tmp_path)
    refused(joins(lab, file), "platform", "v1.35.0 refuses control groups version 1", "cgroups=v2")
    assert there(node, "/var/lib/kubelet/config.yaml", SYSCTL_FILE) == []
    kubelet(node, "v1.34.1")
    refused(joins(lab, file, kubernetes_join_timeout_s=2), "timeout", "got no certificate")
    config = yaml.safe_load(node.run("cat /var/lib/kubelet/config.yaml").stdout)
    assert (config["cgroupDriver"], "failCgroupV1" in config) == ("cgroupfs", False)
    kubelet(node, "v1.35.0")
    refused(
        joins(lab, file, kubernetes_join_timeout_s=2, kubernetes_admit_cgroup_v1=True), "timeout", "got no certificate"
    )
    assert yaml.safe_load(node.run("cat /var/lib/kubelet/config.yaml").stdout)["failCgroupV1"] is False
