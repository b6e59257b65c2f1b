"""The way out of the network, the data directory and the basic packages, on real nodes."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.authenticating_proxy import Proxy, authenticating_proxy
from tests.lab.raw_pyinfra import apply
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab
TASK = "tasks.base.base"
CANARY = "c4n4ry"
PASSWORD = f"p@ss:{CANARY}%"
WAY_OUT = (
    "Trust the site's certificate authorities",
    "Show apt the proxy",
    "Give apt the proxy's credentials",
    "Show downloads and services the proxy",
    "Show pip the proxy and the certificate authorities",
)
SECRET_FILES = ("/etc/apt/auth.conf.d/wslgpu-proxy.conf", "/etc/wslgpu/proxy.env", "/etc/pip.conf")


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    made = lab.node()
    apply(lab, TASK)
    return made


@pytest.fixture
def proxy(lab: Lab) -> Iterator[Proxy]:
    with authenticating_proxy(lab.state.gateway, "ann", PASSWORD) as running:
        yield running


def certificates(folder: Path, count: int) -> Path:
    """That many certificate authorities in one file."""
    made = []
    for number in range(count):
        path = folder / f"{number}.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "key"), "-out",
             str(path), "-subj", f"/CN=wslgpu-test-{number}", "-days", "2"],
            check=True,
            capture_output=True,
        )  # fmt: skip
        made.append(path.read_text())
    whole = folder / "ca.pem"
    whole.write_text("".join(made))
    return whole


def way_out(folder: Path, proxy: Proxy, authorities: int = 2) -> dict[str, Any]:
    secret = folder / "proxy-credentials"
    secret.write_text(f"ann:{PASSWORD}\n")
    secret.chmod(0o600)
    return {
        "proxy_url": proxy.url,
        "proxy_credentials_file": str(secret),
        "ca_file": str(certificates(folder, authorities)),
    }


def leaks(text: str) -> list[str]:
    """Where the secret shows in a text, plainly or in base64."""
    found = re.findall(rf".*{CANARY}.*", text)
    for word in re.findall(r"[A-Za-z0-9+/]{12,}=*", text):
        for shift in range(4):
            part = word[shift : shift + (len(word) - shift) // 4 * 4]
            if CANARY.encode() in base64.b64decode(part + "=" * (-len(part) % 4)):
                found.append(word)
    return found


def test_leaks_finds_them() -> None:
    assert leaks(f"x {CANARY} y")
    assert leaks(base64.b64encode(f"ab{CANARY}cdefgh".encode()).decode())
    assert leaks("y" + base64.b64encode(f"ab{CANARY}cdefgh".encode()).decode())
    assert not leaks("nothing " * 10)


def test_a_second_run_changes_nothing(lab: Lab, node: Node) -> None:
    run = apply(lab, TASK)
    assert (run.rc, run.changed, len(run.unchanged)) == (0, (), 10), run.text
    assert node.run("stat -c '%a %U:%G' /var/lib/wslgpu").stdout == "755 root:root\n"


def test_packages_that_are_missing_come_back(lab: Lab, node: Node) -> None:
    node.run("DEBIAN_FRONTEND=noninteractive apt-get remove -y -qq kmod", check=True)
    run = apply(lab, TASK)
    assert run.changed == ("Install the packages that all else needs",), run.text
    assert node.run("test -x /usr/bin/kmod").ok


def test_the_way_out_is_used_is_kept_secret_and_goes_again(lab: Lab, node: Node, proxy: Proxy, tmp_path: Path) -> None:
    data = way_out(tmp_path, proxy)
    first = apply(lab, TASK, "-vvv", "--diff", "--debug", **data)  # row 38
    assert (first.rc, set(first.changed)) == (0, set(WAY_OUT)), first.text
    again = apply(lab, TASK, "-vvv", **data)
    assert (again.rc, again.changed) == (0, ()), again.text
    assert leaks(first.text) == leaks(again.text) == []

    modes = node.run(f"stat -c '%a %U:%G %n' {' '.join(SECRET_FILES)}").stdout
    assert modes.splitlines() == [f"600 root:root {name}" for name in SECRET_FILES]
    readable = node.run(
        f"find / -xdev -type f -perm /044 -newer /etc/wslgpu -size -1000k -not -path '/proc/*' 2>/dev/null"
        f" -exec grep -la {CANARY} {{}} +; journalctl --no-pager | grep -a {CANARY}"
    ).stdout
    assert readable == ""

    node.run("rm -rf /var/lib/apt/lists/*; apt-get update", timeout=120)
    assert ("GET", True) in proxy.seen
    node.run("curl --silent --max-time 20 --output /dev/null https://192.0.2.1/ || true")
    node.run(". /etc/wslgpu/proxy.env; export https_proxy; curl -s -m 20 -o /dev/null https://192.0.2.1/ || true")
    assert ("CONNECT", True) in proxy.seen
    assert {authenticated for _, authenticated in proxy.seen} == {True}

    gone = apply(lab, TASK)
    assert (gone.rc, set(gone.changed)) == (0, set(WAY_OUT)), gone.text
    left = f"ls {' '.join(SECRET_FILES)} /etc/apt/apt.conf.d/80wslgpu-proxy.conf"
    assert node.run(f"{left} /usr/local/share/ca-certificates/wslgpu* /etc/ssl/certs/wslgpu* 2>/dev/null").stdout == ""
    assert apply(lab, TASK).changed == ()


def test_authorities_are_trusted_and_repaired(lab: Lab, node: Node, tmp_path: Path) -> None:
    data = {"ca_file": str(certificates(tmp_path, 2))}
    assert apply(lab, TASK, **data).rc == 0
    node.put("/root/1.pem", (tmp_path / "1.pem").read_text())

    def trusted() -> bool:
        return node.run("openssl verify -CApath /etc/ssl/certs /root/1.pem").ok

    assert trusted()
    for damage in (
        "rm /etc/ssl/certs/wslgpu-site-2.pem",
        ": >/etc/ssl/certs/ca-certificates.crt",
        "echo >>/usr/local/share/ca-certificates/wslgpu-site.crt",
        "rm /usr/local/share/ca-certificates/wslgpu-site-2.crt",
    ):
        node.run(damage, check=True)
        run = apply(lab, TASK, **data)
        assert "Trust the site's certificate authorities" in run.changed, damage
        assert trusted(), damage
        assert apply(lab, TASK, **data).changed == (), damage
    # a removal that was killed between the file and the bundle
    node.run("rm /usr/local/share/ca-certificates/wslgpu-site*.crt", check=True)
    assert apply(lab, TASK).changed[0] == "Trust the site's certificate authorities"
    assert not trusted()
    assert apply(lab, TASK).changed == ()


def test_a_foreign_pip_conf_keeps_its_keys(lab: Lab, node: Node, tmp_path: Path) -> None:
    theirs = "[global]\ntimeout = 5\n[install]\nno-cache-dir = no\n"
    node.put("/etc/pip.conf", theirs)
    data = {"ca_file": str(certificates(tmp_path, 1))}
    assert apply(lab, TASK, **data).rc == 0
    assert "timeout = 5" in node.run("cat /etc/pip.conf").stdout
    assert "cert = /etc/ssl/certs/ca-certificates.crt" in node.run("cat /etc/pip.conf").stdout
    assert apply(lab, TASK).rc == 0
    assert node.run("cat /etc/pip.conf").stdout == theirs
    node.run("rm /etc/pip.conf", check=True)


@pytest.mark.parametrize(
    ("name", "text", "mode", "words"),
    [
        ("proxy_credentials_file", f"ann:{PASSWORD}", 0o644, "others may read it"),
        ("proxy_credentials_file", PASSWORD.replace(":", ""), 0o600, "does not hold user:password"),
        ("ca_file", "no certificate", 0o644, "holds no PEM certificate"),
    ],
)
def test_a_bad_file_on_the_controller_ends_with_2_and_changes_nothing(
    lab: Lab, node: Node, tmp_path: Path, name: str, text: str, mode: int, words: str
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    path.chmod(mode)
    run = apply(lab, TASK, proxy_url="http://proxy.invalid:3128", **{name: str(path)})
    assert run.rc == 2
    assert f"{path}: {name}" in run.text
    assert words in run.text
    assert leaks(run.text) == []
    assert not node.run("test -e /etc/wslgpu/proxy.env").ok


def test_a_data_directory_that_would_not_last_is_refused(lab: Lab, node: Node) -> None:
    node.run("mkdir -p /srv/volatile; mount -t tmpfs none /srv/volatile", check=True)
    try:
        run = apply(lab, TASK, data_dir="/srv/volatile/wslgpu")
        assert run.rc == 1
        assert [error.error_class.value for error in run.errors] == ["usage"]
        assert not node.run("test -e /srv/volatile/wslgpu").ok
    finally:
        node.run("umount /srv/volatile", check=True)
