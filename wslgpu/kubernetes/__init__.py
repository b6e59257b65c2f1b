"""Kubernetes: what a node needs for it, and what a cluster is asked and given."""
