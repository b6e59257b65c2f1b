"""Workloads: what is put on a provisioned node, rendered as Kubernetes manifests, Compose files and Podman quadlets."""
