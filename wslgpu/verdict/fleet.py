"""What two nodes must not share: machine ids, ssh host keys, host names. Clones of one distribution share them all.

Redacted documents hold digests under one key per report; equal digests are equal identities, so nothing here needs to
tell a digest from the thing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wslgpu.probe.document import Observations, View
from wslgpu.verdict.model import Finding

_NO_NAMES = frozenset(("localhost", "localhost.localdomain", "(none)"))


def fleet_findings(named: Sequence[tuple[str, Observations]]) -> tuple[Finding, ...]:
    """Duplicates over the nodes of one run.

    :param named: node name and document; what a container on a node said is left out, since it is the node once more
    """
    nodes = [(name, document.identity) for name, document in named if document.probe.view is View.NODE]
    machine_ids = _shared((name, [identity.machine_id]) for name, identity in nodes)
    host_keys = _shared((name, identity.ssh_host_keys) for name, identity in nodes)
    host_names = _shared((name, [identity.hostname.lower()]) for name, identity in nodes)
    return (
        *(_machine_id(group) for group in machine_ids),
        *(_host_keys(group) for group in host_keys),
        *(_host_name(group) for group in host_names),
    )


def _shared(rows: Iterable[tuple[str, Iterable[str]]]) -> list[tuple[str, ...]]:
    """The groups of nodes that have a value in common, each group once."""
    owners: dict[str, dict[str, None]] = {}
    for name, values in rows:
        for value in values:
            if value and value not in _NO_NAMES:
                owners.setdefault(value, {})[name] = None
    return list(dict.fromkeys(tuple(names) for names in owners.values() if len(names) > 1))


def _together(nodes: tuple[str, ...]) -> str:
    return f"{', '.join(nodes[:-1])} and {nodes[-1]}"


def _machine_id(nodes: tuple[str, ...]) -> Finding:
    return Finding(
        "fleet.duplicate.machine_id",
        f"{_together(nodes)} have the same machine id: clones of one distribution, or one node under several names",
        nodes,
        "On each clone: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; then"
        " wsl --terminate NAME.",
    )


def _host_keys(nodes: tuple[str, ...]) -> Finding:
    return Finding(
        "fleet.duplicate.ssh_host_key",
        f"{_together(nodes)} share ssh host keys: who has one of them can pass for the others",
        nodes,
        "On each clone: rm /etc/ssh/ssh_host_*; ssh-keygen -A; restart ssh; then mend known_hosts.",
    )


def _host_name(nodes: tuple[str, ...]) -> Finding:
    # distributions on one Windows machine all bear its name, which harms nobody but a cluster
    return Finding(
        "fleet.duplicate.host_name",
        f"{_together(nodes)} have the same host name; in one Kubernetes cluster they would be one node",
        nodes,
        "Set hostname= under [network] in /etc/wsl.conf, then wsl --terminate NAME; or kubelet's --hostname-override.",
        fails=False,
    )
