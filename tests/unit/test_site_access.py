"""Proxy, credentials and certificate authorities as texts."""

from pathlib import Path

import pytest

from wslgpu.errors import DataError
from wslgpu.site_access import (
    Credentials,
    apt_credentials,
    apt_proxy,
    pip_conf,
    proxy_environment,
    proxy_with_credentials,
    read_authorities,
    read_credentials,
)

PROXY = "http://proxy.example:3128"
WHO = Credentials("ann", "p@ss:w%rd")
BLOCK = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----"


def written(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "file"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_credentials_are_read_and_do_not_show(tmp_path: Path) -> None:
    read = read_credentials(written(tmp_path, "ann:p@ss:w%rd\n"))
    assert read == WHO
    assert "p@ss" not in f"{read!r} {read}"
    assert "ann" not in repr(read)
    assert read_credentials("") is None


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("ann:secret", 0o640, "mode 0640: others may read it"),
        ("ann:secret", 0o604, "mode 0604: others may read it"),
        ("annsecret", 0o600, "does not hold user:password"),
        ("ann:a b", 0o600, "does not hold user:password"),
        ("", 0o600, "does not hold user:password"),
    ],
)
def test_credentials_that_are_refused(tmp_path: Path, text: str, mode: int, words: str) -> None:
    path = written(tmp_path, text, mode)
    with pytest.raises(DataError, match=words) as refused:
        read_credentials(path)
    assert refused.value.where == path
    assert refused.value.exit_code == 2
    assert "secret" not in str(refused.value)


def test_a_missing_credentials_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_credentials(str(tmp_path / "none"))


def test_apt_gets_the_proxy_without_credentials_and_those_by_themselves() -> None:
    text = apt_proxy(PROXY, ["localhost", "::1", ".corp", "10.0.0.0/8"])
    assert [line for line in text.splitlines() if not line.startswith("//")] == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::Proxy "http://proxy.example:3128";',
        'Acquire::http::Proxy::localhost "DIRECT";',
        'Acquire::https::Proxy::localhost "DIRECT";',
    ]
    assert apt_credentials(PROXY, WHO).splitlines()[1:] == [
        "machine http://proxy.example:3128 login ann password p@ss:w%rd"
    ]


def test_the_environment_escapes_what_an_address_cannot_hold() -> None:
    assert proxy_with_credentials(PROXY, WHO) == "http://ann:p%40ss%3Aw%25rd@proxy.example:3128"
    assert proxy_with_credentials(PROXY, None) == PROXY
    lines = proxy_environment(PROXY, None, ["a", "b"]).splitlines()
    assert lines[1:] == [
        f'http_proxy="{PROXY}"',
        f'HTTP_PROXY="{PROXY}"',
        f'https_proxy="{PROXY}"',
        f'HTTPS_PROXY="{PROXY}"',
        'no_proxy="a,b"',
        'NO_PROXY="a,b"',
    ]


def test_authorities_are_taken_one_by_one(tmp_path: Path) -> None:
    path = written(tmp_path, f"# root\r\n{BLOCK}\r\nsubject\n{BLOCK}".replace("\n", "\r\n"), 0o644)
    assert read_authorities(path) == (BLOCK + "\n", BLOCK + "\n")
    assert read_authorities("") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [("der", "holds no PEM certificate"), (f"{BLOCK}\n-----BEGIN PRIVATE KEY-----", "holds a private key")],
)
def test_authorities_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_authorities(written(tmp_path, text))


OURS = "# wslgpu: begin\nproxy = http://p\ncert = /c\n# wslgpu: end\n"


@pytest.mark.parametrize(
    ("present", "proxy", "certificate", "expected"),
    [
        ("", "http://p", "/c", f"[global]\n{OURS}"),
        ("", "", "", ""),
        ("[global]\n", "", "", ""),
        ("[install]\nuser = no\n", "http://p", "/c", f"[global]\n{OURS}[install]\nuser = no\n"),
        (
            "[global]\ntimeout = 5\nproxy = http://old\n    continued\n[install]\nproxy = stays\n",
            "http://p",
            "/c",
            f"[global]\n{OURS}timeout = 5\n[install]\nproxy = stays\n",
        ),
        ("[global]\nproxy = theirs\n", "", "", "[global]\nproxy = theirs\n"),
        (
            "[global]\nproxy = theirs\n",
            "",
            "/c",
            "[global]\n# wslgpu: begin\ncert = /c\n# wslgpu: end\nproxy = theirs\n",
        ),
    ],
)
def test_pip_conf(present: str, proxy: str, certificate: str, expected: str) -> None:
    assert pip_conf(present, proxy, certificate) == expected
