"""Whether the pods of an object keep to the restricted Pod Security Standard, and say where they do not. Pure.

Where a pod needs more, the annotation ``wslgpu.dev/exception-CONTROL: reason`` of its template says so. A violation
that is not declared is a finding, and so is a declaration that nothing needs: the next reader would believe it.
Source: kubernetes.io/docs/concepts/security/pod-security-standards, read 2026-11; Linux pods only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wslgpu.workloads.manifest import Object, containers, identity, pod_template

ANNOTATION = "wslgpu.dev/exception-"
VOLUME_TYPES = frozenset(
    ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
)
SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
    )
)
SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))
SECCOMP_TYPES = frozenset(("RuntimeDefault", "Localhost"))
APPARMOR_TYPES = frozenset(("RuntimeDefault", "Localhost"))
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"


@dataclass(frozen=True)
class Violation:
    """One place where a pod asks for more than the restricted profile gives.

    :param control: of the standard, in the words of an annotation: ``host-path-volumes``
    :param where: in the pod's specification: ``containers[0].securityContext``
    """

    control: str
    where: str
    what: str


@dataclass(frozen=True)
class Finding:
    """What is wrong with an object.

    :param control: of the standard
    :param what: a sentence without a full stop, with the object and the place
    """

    control: str
    what: str


def findings(item: Object) -> list[Finding]:
    """Violations that the object does not declare, and declarations that it does not need or gives no reason for."""
    template = pod_template(item)
    if template is None:
        return []
    found = violations(template)
    declared = exceptions(template)
    name = identity(item)
    undeclared = [
        Finding(each.control, f"{name}: {each.where} {each.what}, and no {ANNOTATION}{each.control} says why")
        for each in found
        if each.control not in declared
    ]
    violated = {each.control for each in found}
    unneeded = [
        Finding(control, f"{name}: declares {ANNOTATION}{control}, which nothing in it needs")
        for control in declared
        if control not in violated
    ]
    silent = [
        Finding(control, f"{name}: {ANNOTATION}{control} gives no reason")
        for control, reason in declared.items()
        if not reason.strip()
    ]
    return [*undeclared, *unneeded, *silent]


def exceptions(template: Object) -> dict[str, str]:
    """The declared exceptions of a pod template: control -> reason."""
    annotations = _mapping(_mapping(template.get("metadata")).get("annotations"))
    return {
        key.removeprefix(ANNOTATION): str(value) for key, value in annotations.items() if key.startswith(ANNOTATION)
    }


def violations(template: Object) -> list[Violation]:
    """Everything in a pod template that the restricted profile does not allow."""
    spec = _mapping(template.get("spec"))
    context = _mapping(spec.get("securityContext"))
    found = [*_of_pod(template, spec, context)]
    for where, container in containers(spec):
        found += _of_container(where, container, context)
    return found


def _of_pod(template: Object, spec: Object, context: Object) -> Iterator[Violation]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield Violation("host-namespaces", field, "shares a namespace of the node")
    for index, volume in enumerate(spec.get("volumes") or ()):
        kinds = set(volume) - {"name"}
        if "hostPath" in kinds:
            yield Violation("host-path-volumes", f"volumes[{index}]", "mounts a path of the node")
        elif kinds - VOLUME_TYPES:
            yield Violation("volume-types", f"volumes[{index}]", f"is of the type {sorted(kinds - VOLUME_TYPES)[0]}")
    for index, sysctl in enumerate(context.get("sysctls") or ()):
        if sysctl.get("name") not in SYSCTLS:
            yield Violation("sysctls", f"securityContext.sysctls[{index}]", f"sets {sysctl.get('name')}")
    annotations = _mapping(_mapping(template.get("metadata")).get("annotations"))
    for key, value in annotations.items():
        allowed = value in ("runtime/default", "") or str(value).startswith("localhost/")
        if key.startswith(_APPARMOR_ANNOTATION) and not allowed:
            yield Violation("apparmor", f"annotation {key}", f"is {value}")
    yield from _of_context("securityContext", context)


def _of_context(where: str, context: Object) -> Iterator[Violation]:
    """What a pod's and a container's security context have in common."""
    if _mapping(context.get("windowsOptions")).get("hostProcess"):
        yield Violation("host-process", where, "asks for a process of the node")
    selinux = _mapping(context.get("seLinuxOptions"))
    if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield Violation("selinux", where, "asks for another SELinux label")
    apparmor = _mapping(context.get("appArmorProfile"))
    if apparmor and apparmor.get("type") not in APPARMOR_TYPES:
        yield Violation("apparmor", where, f"asks for the AppArmor profile {apparmor.get('type')}")
    seccomp = _mapping(context.get("seccompProfile"))
    if seccomp and seccomp.get("type") not in SECCOMP_TYPES:
        yield Violation("seccomp", where, f"asks for the seccomp profile {seccomp.get('type')}")
    if context.get("runAsUser") == 0:
        yield Violation("run-as-user", where, "runs as root")
    if context.get("runAsNonRoot") is False:
        yield Violation("run-as-non-root", where, "allows root")


def _of_container(place: str, container: Object, pod: Object) -> Iterator[Violation]:
    context = _mapping(container.get("securityContext"))
    where = f"{place}.securityContext"
    yield from _of_context(where, context)
    if context.get("privileged"):
        yield Violation("privileged-containers", where, "is privileged")
    if context.get("allowPrivilegeEscalation") is not False:
        yield Violation("privilege-escalation", where, "does not forbid to gain privileges")
    if context.get("procMount", "Default") != "Default":
        yield Violation("proc-mount", where, f"asks for the /proc mount {context['procMount']}")
    capabilities = _mapping(context.get("capabilities"))
    if "ALL" not in (capabilities.get("drop") or ()):
        yield Violation("capabilities", where, "does not drop all capabilities")
    added = set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}
    if added:
        yield Violation("capabilities", where, f"adds the capability {sorted(added)[0]}")
    # what the container says goes before what the pod says
    if context.get("runAsNonRoot", pod.get("runAsNonRoot")) is None:
        yield Violation("run-as-non-root", where, "does not forbid root")
    if not _mapping(context.get("seccompProfile")) and not _mapping(pod.get("seccompProfile")):
        yield Violation("seccomp", where, "has no seccomp profile")
    for index, port in enumerate(container.get("ports") or ()):
        if port.get("hostPort"):
            yield Violation("host-ports", f"{place}.ports[{index}]", f"takes the port {port['hostPort']} of the node")
    yield from _other_hosts(place, container)


def _other_hosts(place: str, container: Object) -> Iterator[Violation]:
    """Probes and hooks that the kubelet would send to another machine."""
    lifecycle = _mapping(container.get("lifecycle"))
    handlers = {
        **{probe: container.get(probe) for probe in ("livenessProbe", "readinessProbe", "startupProbe")},
        **{f"lifecycle.{hook}": lifecycle.get(hook) for hook in ("postStart", "preStop")},
    }
    for field, handler in handlers.items():
        for kind in ("httpGet", "tcpSocket"):
            host = _mapping(_mapping(handler).get(kind)).get("host")
            if host and host not in ("127.0.0.1", "::1"):
                yield Violation("host-probes", f"{place}.{field}.{kind}", f"names the host {host}")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
