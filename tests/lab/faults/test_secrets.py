"""A password in the data is used, and shows nowhere."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.lab.authenticating_proxy import authenticating_proxy
from tests.lab.support.apply import PROJECT, apply, site
from tests.lab.support.nodes import KEYRING, forget_images, images
from tests.lab.test_base import CANARY, PASSWORD, leaks
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab

PATTERN = "/root/pattern"
"""What is looked for comes from a file of root's: a command line with it would be found too."""
READABLE = (
    "find / -xdev -type f -perm /044 -size -20000k -not -path '/usr/*' -not -path '/var/lib/containerd/*' 2>/dev/null"
    f" -exec grep -laf {PATTERN} {{}} +; journalctl --no-pager | grep -af {PATTERN}"
)


@contextmanager
def command_lines() -> Iterator[set[bytes]]:
    """Command lines that held the secret at any time in the block; a node's processes are seen from outside too."""
    found: set[bytes] = set()
    ended = threading.Event()

    def sample() -> None:
        while not ended.is_set():
            for entry in Path("/proc").iterdir():
                with suppress(OSError):
                    words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                    if CANARY.encode() in words:
                        found.add(words)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def test_fault_38_secret_shows_nowhere(lab: Lab, node: Node, tmp_path: Path) -> None:
    secret = tmp_path / "credentials"
    secret.write_text(f"ann:{PASSWORD}\n")
    secret.chmod(0o600)
    forget_images(node)
    node.nsenter(f"rm -f {KEYRING}")
    node.put(PATTERN, f"{CANARY}\n", 0o600)
    with authenticating_proxy(lab.state.gateway, "ann", PASSWORD) as proxy, command_lines() as seen:
        with site(lab, proxy_url=proxy.url, proxy_credentials_file=str(secret)):
            dry = apply(lab, "--dry", "-v")
            first = apply(lab, "-v")
            again = apply(lab)
            command = [sys.executable, "-m", "wslgpu.cli", "verify", "--lab", lab.name, "--json"]
            report = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)
        asked = set(proxy.seen)
        readable = node.nsenter(READABLE, check=False).stdout
        gone = apply(lab)
    assert first.code == 0, first
    assert len(images(node)) >= 3
    assert {"GET", "HEAD"} <= {method for method, _ in asked}, "nothing was fetched through the proxy"
    assert all(authenticated for _, authenticated in asked), "something came without the password"
    assert again.host()["outcome"] == "unchanged", again
    for outcome in (dry, first, again, gone):
        assert leaks(outcome.told) == leaks(str(outcome.document)) == []
    assert leaks(report.stdout + report.stderr) == []
    assert seen == set()
    assert readable == ""
    assert gone.code == 0, gone
    assert node.nsenter(f"grep -rlaf {PATTERN} /etc /var/lib/wslgpu", check=False).stdout == ""
    node.nsenter(f"rm {PATTERN}")
