"""One lock makes the same node: made twice from nothing, and by way of an earlier lock; and the proof can fail."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from wslgpu.diff.proof import EARLIER_TOOLKIT, FIRST, SECOND, UPGRADED, Proof, ProofSpec, compared, prove
from wslgpu.diff.proof_cli import lines
from wslgpu.lab import Lab, down, sweep

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def proof() -> Iterator[tuple[Proof, Lab]]:
    """The proof, and its lab as it left it."""
    if os.geteuid() != 0:
        pytest.fail("lab nodes need root; make test-fast needs none")
    sweep()
    name = f"t{os.getpid()}-proof"
    try:
        yield prove(ProofSpec(name, keep=True, owner_pid=os.getpid()), print), Lab.load(name)
    finally:
        down(name)


def test_equal_but_for_a_short_list_with_reasons(proof: tuple[Proof, Lab]) -> None:
    found, _ = proof
    assert found.proven, "\n".join(lines(found))
    assert [(pair.first, pair.second) for pair in found.pairs] == [(FIRST, SECOND), (FIRST, UPGRADED)]
    assert found.paths > 5000
    assert found.packages > 150
    for pair in found.pairs:
        names = {one.name for one, _ in pair.comparison.allowed}
        assert {"/etc/machine-id", "/etc/hostname"} <= names
        assert len({reason.id for _, reason in pair.comparison.allowed}) <= 15


def test_the_upgraded_node_began_with_the_earlier_toolkit(proof: tuple[Proof, Lab]) -> None:
    _, lab = proof
    log = f"grep -c ' install nvidia-container-toolkit:amd64 <none> {EARLIER_TOOLKIT}$' /var/log/dpkg.log || true"
    assert lab.node(UPGRADED).nsenter(log).stdout.strip() == "1"
    assert lab.node(FIRST).nsenter(log).stdout.strip() == "0"


@pytest.mark.parametrize(
    ("change", "undo", "section", "name"),
    [
        (
            "echo >>/etc/containerd/config.toml",
            "sed -i '$d' /etc/containerd/config.toml",
            "path",
            "/etc/containerd/config.toml",
        ),
        ("chmod 4755 /usr/bin/env", "chmod 755 /usr/bin/env", "path", "/usr/bin/env"),
        ("apt-mark hold curl", "apt-mark unhold curl", "package", "curl"),
        ("groupadd -g 4242 extra", "groupdel extra", "group", "extra"),
        ("systemctl mask --quiet fstrim.timer", "systemctl unmask --quiet fstrim.timer", "unit", "fstrim.timer"),
    ],
)
def test_the_smallest_change_would_be_seen(
    proof: tuple[Proof, Lab], change: str, undo: str, section: str, name: str
) -> None:
    _, lab = proof
    lab.node(SECOND).nsenter(change)
    pair = compared(lab, SECOND)
    lab.node(SECOND).nsenter(undo)
    assert (section, name) in {(one.section, one.name) for one in pair.comparison.differences}
