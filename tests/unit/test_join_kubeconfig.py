"""The kubeconfig with which nodes join, as it is read on the controller; its secret is in no message."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from wslgpu.errors import DataError
from wslgpu.kubernetes.bootstrap import read

PEM = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"
TOKEN = "abcdef.0123456789canary0"


def document(**changes: Any) -> dict[str, Any]:
    cluster = {
        "server": "https://192.0.2.1:6443",
        "certificate-authority-data": base64.b64encode(PEM.encode()).decode(),
        **changes.pop("cluster", {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": changes.pop("user", {"token": TOKEN})}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
        **changes,
    }


def written(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "bootstrap.kubeconfig"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_good_one(tmp_path: Path) -> None:
    text = yaml.safe_dump(document())
    cluster = read(written(tmp_path, text))
    assert cluster.server == "https://192.0.2.1:6443"
    assert cluster.authority == PEM
    assert cluster.kubeconfig == text
    assert TOKEN not in f"{cluster!r} {cluster}"


def test_one_cluster_has_one_identity_whatever_address_and_spaces_are(tmp_path: Path) -> None:
    here = read(written(tmp_path, yaml.safe_dump(document())))
    spaced = base64.b64encode(PEM.replace("\n", "\r\n").encode()).decode()
    other = {"server": "https://127.0.0.1:6443", "certificate-authority-data": spaced}
    assert read(written(tmp_path, yaml.safe_dump(document(cluster=other)))).identity == here.identity
    foreign = base64.b64encode(PEM.replace("TUlJ", "QUJD").encode()).decode()
    changed = yaml.safe_dump(document(cluster={"certificate-authority-data": foreign}))
    assert read(written(tmp_path, changed)).identity != here.identity


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_one_that_others_may_read(tmp_path: Path, mode: int) -> None:
    with pytest.raises(DataError, match=f"mode {mode:04o}: others may read it") as refused:
        read(written(tmp_path, yaml.safe_dump(document()), mode))
    assert refused.value.next_step.startswith("chmod 600 /")
    assert refused.value.exit_code == 2


REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("", "no whole kubeconfig"),
    "no YAML": (f"token: {TOKEN}\n a: [", "not YAML"),
    "a list": (f"- {TOKEN}\n", "no whole kubeconfig"),
    "context of another name": (yaml.safe_dump(document(**{"current-context": "y"})), "no whole kubeconfig"),
    "http": (yaml.safe_dump(document(cluster={"server": "http://192.0.2.1"})), "no https server"),
    "a user in the address": (yaml.safe_dump(document(cluster={"server": f"https://u:{TOKEN}@h"})), "no https server"),
    "a password in the address": (
        yaml.safe_dump(document(cluster={"server": f"https://:{TOKEN}@h"})),
        "no https server",
    ),
    "half an address": (yaml.safe_dump(document(cluster={"server": "https://[::1"})), "no https server"),
    "no port": (yaml.safe_dump(document(cluster={"server": "https://h:first"})), "no https server"),
    "more than an address": (yaml.safe_dump(document(cluster={"server": "https://h/?a"})), "no https server"),
    "a date that is none": (yaml.safe_dump(document()) + "since: 2026-13-45\n", "not YAML"),
    "no end of lists": ("[" * 5000, "not YAML"),
    "no check": (yaml.safe_dump(document(cluster={"insecure-skip-tls-verify": True})), "check of certificates off"),
    "no token": (yaml.safe_dump(document(user={"client-key-data": TOKEN})), "no bootstrap token"),
    "authority as a path": (
        yaml.safe_dump(document(cluster={"certificate-authority-data": "", "certificate-authority": "/ca.crt"})),
        "no certificate-authority-data",
    ),
    "an authority that is no base64": (
        yaml.safe_dump(document(cluster={"certificate-authority-data": "\u00e9"})),
        "no certificate-authority-data",
    ),
    "a key for an authority": (
        yaml.safe_dump(document(cluster={"certificate-authority-data": base64.b64encode(TOKEN.encode()).decode()})),
        "no certificate-authority-data",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_one_that_a_kubelet_could_not_join_with(tmp_path: Path, name: str) -> None:
    text, words = REFUSED[name]
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=words) as refused:
        read(path)
    assert refused.value.where == path
    assert refused.value.next_step
    assert TOKEN not in str(refused.value)
    assert refused.value.__cause__ is None


def test_one_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read(str(tmp_path / "none"))
    with pytest.raises(DataError, match="is no file"):
        read(str(tmp_path))
