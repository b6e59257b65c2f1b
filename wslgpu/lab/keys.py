"""The keys that a lab's nodes are reached with, and the ssh settings that know them."""

from __future__ import annotations

from wslgpu.host_files import write_atomically
from wslgpu.lab.shell import run
from wslgpu.lab.state import LabState


def make(lab_state: LabState) -> None:
    """The lab makes the nodes' host keys itself, so it knows them without ever trusting a first connection."""
    directory = lab_state.directory
    run(
        [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            f"wslgpu-lab {lab_state.name}",
            "-f",
            directory / "id_ed25519",
        ]
    )
    (directory / "host_keys").mkdir(mode=0o700)
    lines = []
    for node in lab_state.nodes:
        key = directory / "host_keys" / node.name
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", node.name, "-f", key])
        public = key.with_name(f"{node.name}.pub").read_text().split()
        lines.append(f"{node.address} {public[0]} {public[1]}\n")
    write_atomically(directory / "known_hosts", "".join(lines))
    write_atomically(directory / "ssh_config", _ssh_config(lab_state))


def _ssh_config(lab_state: LabState) -> str:
    """For `ssh -F` and pytest's --ssh-config: nodes by name."""
    directory = lab_state.directory
    hosts = "".join(f"Host {node.name}\n  HostName {node.address}\n" for node in lab_state.nodes)
    return (
        f"{hosts}Host *\n  User root\n  IdentityFile {directory / 'id_ed25519'}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {directory / 'known_hosts'}\n  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n  BatchMode yes\n"
    )
