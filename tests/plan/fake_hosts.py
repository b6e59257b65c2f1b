"""Hosts of pyinfra's fake connector: every command succeeds and says nothing."""

_NOW = {"fake_delay": 0, "fake_delay_jitter": 0}

gpu_nodes = [("@fake/gpu1", _NOW), ("@fake/gpu2", _NOW)]
build_nodes = [("@fake/build1", _NOW)]
