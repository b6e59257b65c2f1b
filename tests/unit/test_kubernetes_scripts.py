"""The shell of a node's Kubernetes, in folders of a test's own, with functions in place of the node's services."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from wslgpu.facts.script import SCRIPTS as FACTS
from wslgpu.node_script import program
from wslgpu.operations.script import SCRIPTS

PLACES = ("/etc/kubernetes", "/etc/systemd", "/var/lib/kubelet", "/var/lib/wslgpu")
OURS = "# Made by wslgpu; changes here are overwritten.\n"
LEFT_TO_KUBEADM = (
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
)
DROP_IN = "/etc/systemd/system/kubelet.service.d/50-wslgpu.conf"
UNIT = "/etc/systemd/system/kubelet.service"
AUTHORITY = "/etc/kubernetes/wslgpu-ca.crt"
RECORD = "/var/lib/wslgpu/kubernetes"


def run(root: Path, script: Path, functions: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a node script whose places are below ``root``; ``functions`` stand for programs of the node."""
    text = program(script)
    for place in PLACES:
        text = text.replace(place, f"{root}{place}")
    words = ["sh", "-c", f"{functions}\n{text}", "test", *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def put(root: Path, path: str, text: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def there(root: Path, *paths: str) -> list[str]:
    return [path for path in paths if (root / path.lstrip("/")).exists()]


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node that wslgpu has joined, or had begun to."""
    put(tmp_path, "/etc/kubernetes/kubelet.conf", "")
    put(tmp_path, "/var/lib/kubelet/pki/kubelet-client-current.pem", "")
    put(tmp_path, "/var/lib/kubelet/config.yaml", OURS)
    for path in (DROP_IN, UNIT, AUTHORITY, RECORD):
        put(tmp_path, path, OURS)
    return tmp_path


INACTIVE = 'timeout() { shift; "$@"; }; systemctl() { echo "$1" >>"$CALLS"; [ "$1" != is-active ]; }'


@pytest.mark.parametrize(("kubeadms", "stays"), [("no", ()), ("yes", (*LEFT_TO_KUBEADM, UNIT))])
def test_what_kubeadm_has_joined_since_is_left_to_it(node: Path, kubeadms: str, stays: tuple[str, ...]) -> None:
    calls = node / "calls"
    done = run(node, SCRIPTS / "kubernetes_leave.sh", f"CALLS={calls}; {INACTIVE}", kubeadms)
    assert done.returncode == 0, done.stderr
    assert there(node, *LEFT_TO_KUBEADM, UNIT, DROP_IN, AUTHORITY, RECORD) == list(stays)
    assert ("disable" in calls.read_text().split()) is (kubeadms == "no")


def test_the_pods_network_is_where_containerd_looks(tmp_path: Path) -> None:
    """Somebody's plugin stays, there as well as when k3s goes."""
    plugins, folder = tmp_path / "lib", tmp_path / "opt/cni/bin"
    for path in (plugins / "bridge", plugins / "portmap", folder / "mine"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
    network = SCRIPTS / "k3s_network.sh"
    done = run(tmp_path, network, "", str(plugins), str(folder), "bridge", "portmap")
    assert done.returncode == 0, done.stderr
    assert (folder / "bridge").resolve() == plugins / "bridge"
    again = run(tmp_path, network, "", str(plugins), str(folder), "mine")
    assert "there is no" in again.stderr
    text = (SCRIPTS / "k3s_remove.sh").read_text()
    for place in ("/usr/local/bin", "/etc/cni", "/etc/rancher"):
        text = text.replace(place, f"{tmp_path}{place}")
    remove = tmp_path / "k3s_remove.sh"
    remove.write_text(text)
    done = run(tmp_path, remove, "systemctl() { :; }", str(plugins), str(folder))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert sorted(path.name for path in plugins.iterdir()) == ["bridge", "portmap"]


COUNTS = """
ticks={ticks}; : >"$ticks"
journalctl() {{ :; }}
sleep() {{ :; }}
systemctl() {{
    case "$*" in *NRestarts*)
        echo >>"$ticks"
        echo $(({since} + {step} * $(wc -l <"$ticks")))
    esac
}}
"""


@pytest.mark.parametrize(
    ("step", "words"), [(0, "kubelet got no certificate"), (1, "kubelet ends by itself as soon as it is started")]
)
def test_restarts_of_long_ago_are_no_reason(tmp_path: Path, step: int, words: str) -> None:
    """A kubelet that runs and waits has not ended, however often it had before this run."""
    functions = COUNTS.format(ticks=tmp_path / "ticks", since=7, step=step)
    words_given = ("https://192.0.2.1:6443", "no", "1" if step == 0 else "60", "join x")
    done = run(tmp_path, SCRIPTS / "kubernetes_join.sh", functions, *words_given)
    assert done.returncode == 1
    assert words in done.stderr


@pytest.mark.parametrize("said", ["token abc.def", 'token: "abc.def"', 'user "abcdef.0123456789abcdef" refused'])
def test_no_token_of_the_journal_is_told(tmp_path: Path, said: str) -> None:
    script = tmp_path / "say.sh"
    script.write_text((SCRIPTS / "kubelet_words.sh").read_text() + "kubelet_words\n")
    line = f"E1125 21:00:00.000000 1 server.go:1] {said}"
    done = run(tmp_path, script, f"journalctl() {{ echo '{line}'; }}")
    assert done.returncode == 0, done.stderr
    assert "server.go:1]" in done.stdout
    assert "***" in done.stdout
    assert "abc" not in done.stdout


@pytest.mark.parametrize("replaced", [False, True])
def test_a_kubelet_whose_program_was_replaced_is_stale(tmp_path: Path, replaced: bool) -> None:
    """A package's new program is as old as the package, so that its time says nothing."""
    kubelet = tmp_path / "kubelet"
    shutil.copy(str(shutil.which("sleep")), kubelet)
    running = subprocess.Popen(["sleep", "60"], executable=kubelet)
    try:
        if replaced:
            new = tmp_path / "new"
            shutil.copy(str(shutil.which("sleep")), new)
            new.replace(kubelet)
        functions = (
            'systemctl() { case "$*" in "show kubelet --property=FragmentPath --value") echo /usr/lib/x.service ;;'
            f' "show kubelet --property=MainPID --value") echo {running.pid} ;; *) return 1 ;; esac; }}'
        )
        done = run(tmp_path, FACTS / "kubernetes_node.sh", functions, str(kubelet), "--")
    finally:
        running.kill()
        running.wait()
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("unit kubelet /usr/lib/x.service")]
    assert [line for line in lines if line.startswith("stale")] == ([f"stale kubelet {kubelet}"] if replaced else [])
