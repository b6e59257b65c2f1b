"""The restricted Pod Security Standard: each control by one pod that breaks it, and every rendered pod."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.unit.rendered_workloads import different, renderings
from wslgpu.workloads.manifest import pod_template
from wslgpu.workloads.pod_security import ANNOTATION, exceptions, findings, violations

GOOD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {"name": "x", "namespace": "y"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "c",
                "ports": [{"containerPort": 80}],
                "livenessProbe": {"httpGet": {"port": 80}},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}
POD = "spec.securityContext."
CONTAINER = "spec.containers.0."
CONTEXT = "spec.containers.0.securityContext."
BROKEN: list[tuple[str, str, Any]] = [
    ("host-namespaces", "spec.hostNetwork", True),
    ("host-namespaces", "spec.hostPID", True),
    ("host-namespaces", "spec.hostIPC", True),
    ("host-process", f"{CONTEXT}windowsOptions", {"hostProcess": True}),
    ("privileged-containers", f"{CONTEXT}privileged", True),
    ("capabilities", f"{CONTEXT}capabilities", {"drop": ["NET_RAW"]}),
    ("capabilities", f"{CONTEXT}capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    ("capabilities", f"{CONTEXT}capabilities", None),
    ("host-path-volumes", "spec.volumes.0", {"name": "v", "hostPath": {"path": "/"}}),
    ("volume-types", "spec.volumes.0", {"name": "v", "nfs": {}}),
    ("host-ports", f"{CONTAINER}ports.0.hostPort", 80),
    ("host-probes", f"{CONTAINER}livenessProbe.httpGet.host", "192.0.2.1"),
    ("host-probes", f"{CONTAINER}lifecycle", {"preStop": {"tcpSocket": {"host": "192.0.2.1"}}}),
    ("apparmor", f"{CONTEXT}appArmorProfile", {"type": "Unconfined"}),
    ("apparmor", "metadata.annotations", {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}),
    ("selinux", f"{POD}seLinuxOptions", {"type": "spc_t"}),
    ("selinux", f"{CONTEXT}seLinuxOptions", {"user": "system_u"}),
    ("proc-mount", f"{CONTEXT}procMount", "Unmasked"),
    ("seccomp", f"{CONTEXT}seccompProfile", {"type": "Unconfined"}),
    ("seccomp", f"{POD}seccompProfile", None),
    ("sysctls", f"{POD}sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    ("privilege-escalation", f"{CONTEXT}allowPrivilegeEscalation", None),
    ("privilege-escalation", f"{CONTEXT}allowPrivilegeEscalation", True),
    ("run-as-non-root", f"{POD}runAsNonRoot", None),
    ("run-as-non-root", f"{CONTEXT}runAsNonRoot", False),
    ("run-as-user", f"{CONTEXT}runAsUser", 0),
    ("run-as-user", f"{POD}runAsUser", 0),
]
ALLOWED: list[tuple[str, Any]] = [
    (f"{CONTEXT}capabilities", {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
    (f"{CONTEXT}seccompProfile", {"type": "Localhost", "localhostProfile": "p"}),
    (f"{CONTEXT}runAsUser", 1000),
    (f"{POD}seLinuxOptions", {"type": "container_t", "level": "s0:c1"}),
    (f"{POD}sysctls", [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]),
    ("spec.volumes.0", {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}),
    (f"{CONTAINER}livenessProbe.httpGet.host", "127.0.0.1"),
    ("metadata.annotations", {"container.apparmor.security.beta.kubernetes.io/c": "runtime/default"}),
]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good pod with one value set, or taken away."""
    pod: Any = copy.deepcopy(GOOD)
    node: Any = pod
    *parents, last = path.split(".")
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node[part]
    if isinstance(node, list):
        node[int(last)] = value
    elif value is None:
        del node[last]
    else:
        node[last] = value
    found: dict[str, Any] = pod
    return found


def test_a_pod_that_keeps_to_it_has_no_finding() -> None:
    assert violations(GOOD) == []
    assert findings(GOOD) == []


@pytest.mark.parametrize(("control", "path", "value"), BROKEN)
def test_each_control_finds_what_it_is_for(control: str, path: str, value: Any) -> None:
    pod = changed(path, value)
    assert [each.control for each in violations(pod)] == [control]
    (finding,) = findings(pod)
    assert finding.control == control
    assert finding.what.startswith("Pod y/x: ")
    pod["metadata"].setdefault("annotations", {})[f"{ANNOTATION}{control}"] = "the GPU needs it"
    assert findings(pod) == []


@pytest.mark.parametrize(("path", "value"), ALLOWED)
def test_what_is_allowed_is_no_finding(path: str, value: Any) -> None:
    assert findings(changed(path, value)) == []


def test_init_containers_count_too() -> None:
    pod = copy.deepcopy(GOOD)
    pod["spec"]["initContainers"] = [{"name": "i"}]
    assert {each.control for each in violations(pod)} == {"capabilities", "privilege-escalation"}
    assert all(each.where.startswith("initContainers[0]") for each in violations(pod))


def test_an_exception_that_nothing_needs_is_a_finding() -> None:
    (finding,) = findings(changed("metadata.annotations", {f"{ANNOTATION}seccomp": "once needed"}))
    assert "which nothing in it needs" in finding.what


def test_an_exception_without_a_reason_is_a_finding() -> None:
    pod = changed(f"{POD}runAsUser", 0)
    pod["metadata"]["annotations"] = {f"{ANNOTATION}run-as-user": " "}
    (finding,) = findings(pod)
    assert "gives no reason" in finding.what


def test_what_makes_no_pods_has_no_finding() -> None:
    assert findings({"kind": "Namespace", "metadata": {"name": "x"}}) == []


@pytest.mark.parametrize("what", different(), ids=str)
def test_every_rendered_pod_keeps_to_it_or_says_why_not(what: str) -> None:
    for item in renderings()[what].documents:
        assert findings(item) == []
        template = pod_template(item)
        if template is not None:
            assert "seccomp" not in exceptions(template)
            assert "privileged-containers" not in exceptions(template)
            assert all(len(reason.split()) >= 5 for reason in exceptions(template).values())
