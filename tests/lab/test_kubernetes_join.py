"""A node that joins a cluster with a genuine kubelet, and finds its way back to it."""

from __future__ import annotations

import pytest
import yaml

from tests.lab.support.apply import apply, converge, site, started
from tests.lab.support.kubernetes_node import ONLY, done, there
from tests.lab.support.nodes import wait_until
from wslgpu.lab import Lab

pytestmark = pytest.mark.lab

PKI = "/var/lib/kubelet/pki/kubelet-client-current.pem"
KUBELET_PID = "systemctl show kubelet --property=MainPID --value"


def test_a_node_that_has_joined_stays_as_it_is(cluster: Lab) -> None:
    node = cluster.node()
    pid = node.run(KUBELET_PID).stdout
    done(apply(cluster, *ONLY), changed=False)
    assert node.run(KUBELET_PID).stdout == pid
    labels = cluster.kubernetes.get("node", "node1")["metadata"]["labels"]
    assert labels["nvidia.com/gpu.present"] == "true"
    assert there(node, "/etc/kubernetes/bootstrap-kubelet.conf", PKI) == [PKI]
    assert node.run(f"stat -L -c '%a %U' /etc/kubernetes/kubelet.conf {PKI}").stdout == "600 root\n" * 2
    token = yaml.safe_load(cluster.kubernetes.bootstrap_kubeconfig.read_text())["users"][0]["user"]["token"]
    assert not node.nsenter(f"journalctl --no-pager | grep -F {token}", check=False).stdout


def test_a_kubelet_that_was_restarted_is_the_same_node(cluster: Lab) -> None:
    uid = cluster.kubernetes.get("node", "node1")["metadata"]["uid"]
    cluster.node().run("systemctl restart kubelet", check=True)
    done(apply(cluster, *ONLY), changed=False)
    cluster.kubernetes.wait_for_node()
    assert cluster.kubernetes.get("node", "node1")["metadata"]["uid"] == uid


def test_a_stopped_kubelet_and_an_edited_configuration_are_put_back(cluster: Lab) -> None:
    node = cluster.node()
    node.run("sed -i 's/^readOnlyPort: 0/readOnlyPort: 10255/' /var/lib/kubelet/config.yaml", check=True)
    node.run("systemctl disable --now kubelet", check=True)
    done(apply(cluster, *ONLY), changed=True)
    assert "readOnlyPort: 0" in node.run("cat /var/lib/kubelet/config.yaml").stdout
    assert node.run("systemctl is-active kubelet; systemctl is-enabled kubelet").stdout == "active\nenabled\n"
    done(apply(cluster, *ONLY), changed=False)


def test_a_node_that_lost_its_credentials_joins_again(cluster: Lab) -> None:
    node = cluster.node()
    node.run("systemctl stop kubelet && rm -r /var/lib/kubelet/pki /etc/kubernetes/kubelet.conf", check=True)
    done(apply(cluster, *ONLY), changed=True)
    cluster.kubernetes.wait_for_node()
    assert there(node, "/etc/kubernetes/bootstrap-kubelet.conf", PKI) == [PKI]


def test_a_node_that_was_deleted_in_the_cluster_registers_again(cluster: Lab) -> None:
    cluster.kubernetes.kubectl("delete", "node", "node1", check=True)
    done(apply(cluster, *ONLY), changed=True)
    cluster.kubernetes.wait_for_node()
    done(apply(cluster, *ONLY), changed=False)


def test_a_join_that_was_killed_is_finished_by_the_next_run(cluster: Lab) -> None:
    node = cluster.node()
    with site(cluster, kubernetes_role="none"):
        done(apply(cluster, *ONLY), changed=True)
    assert there(node, "/var/lib/kubelet/config.yaml", "/etc/systemd/system/kubelet.service", PKI) == []
    cluster.kubernetes.kubectl("delete", "node", "node1", check=True)
    with started(cluster, *ONLY) as run:
        run.wait_for("Join the cluster")
        wait_until(node, "test -e /etc/kubernetes/bootstrap-kubelet.conf")
        run.kill()
    outcome = converge(cluster, *ONLY)
    assert outcome.code == 0, outcome
    cluster.kubernetes.wait_for_node()
    assert there(node, "/etc/kubernetes/bootstrap-kubelet.conf") == []
    done(apply(cluster, *ONLY), changed=False)
