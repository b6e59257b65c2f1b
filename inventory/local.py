"""This machine, without ssh."""

gpu_nodes = ["@local"]
