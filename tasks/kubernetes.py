"""Kubernetes on the node: what a kubelet needs of it, and the kubelet or k3s itself."""

from pyinfra.api import deploy

from wslgpu.errors import DataError
from wslgpu.host_settings import host_settings
from wslgpu.kubernetes import bootstrap
from wslgpu.operations import apt, k3s, kubernetes_node, manifest, run_lock
from wslgpu.settings import exit_on_error
from wslgpu.workloads.plugin import feature_file_text


@deploy("Kubernetes")
def kubernetes() -> None:
    """After the toolkit: a kubelet finds containerd with the nvidia runtime. What another role left goes first."""
    settings = host_settings()
    role, kubelet = settings.kubernetes_role, settings.kubernetes_kubelet
    try:
        cluster = bootstrap.read(settings.kubernetes_join_kubeconfig_file) if role == "join" else None
    except DataError as error:
        exit_on_error(error)
        raise
    labels = tuple(settings.kubernetes_node_labels.items())
    taints = tuple(settings.kubernetes_node_taints)

    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="kubernetes", settings=settings)
    kubernetes_node.left(name="Take away what another role has put here", role=role, kubelet=kubelet)
    if role != "k3s":
        k3s.absent(name="Take away the k3s of another role", kubelet=kubelet)
    if role != "none":
        kubernetes_node.prepared(
            name="Prepare kernel, swap and control groups for a kubelet",
            kubelet=kubelet,
            swap=settings.kubernetes_swap,
            systemd_cgroup=settings.containerd_systemd_cgroup,
            admit_cgroup_v1=settings.kubernetes_admit_cgroup_v1,
            wslconfig_swap=str(settings.wslconfig.get("wsl2", {}).get("swap", "")),
            features=feature_file_text(settings),
        )
    if cluster is not None:
        kubernetes_node.joined(
            name="Join the cluster",
            cluster=cluster,
            kubelet=kubelet,
            swap=settings.kubernetes_swap,
            systemd_cgroup=settings.containerd_systemd_cgroup,
            admit_cgroup_v1=settings.kubernetes_admit_cgroup_v1,
            labels=labels,
            taints=taints,
            cluster_dns=tuple(settings.kubernetes_cluster_dns),
            cluster_domain=settings.kubernetes_cluster_domain,
            timeout_s=settings.kubernetes_join_timeout_s,
        )
    if role == "k3s":
        apt.packages(
            name="Install the plugins of the pods' network",
            names=k3s.PACKAGES,
            lock_timeout_s=settings.apt_lock_timeout_s,
            download_timeout_s=settings.download_timeout_s,
        )
        k3s.running(
            name="Run k3s",
            version=settings.kubernetes_k3s_version,
            pin=settings.k3s,
            kubelet=kubelet,
            listen=settings.kubernetes_k3s_listen,
            swap=settings.kubernetes_swap,
            systemd_cgroup=settings.containerd_systemd_cgroup,
            admit_cgroup_v1=settings.kubernetes_admit_cgroup_v1,
            labels=labels,
            taints=taints,
            timeout_s=settings.kubernetes_join_timeout_s,
            download_timeout_s=settings.download_timeout_s,
        )
    manifest.recorded(name="Record it in the node's manifest", component="kubernetes", settings=settings)
