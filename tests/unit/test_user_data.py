"""User-data for cloud-init: what is rendered, what is refused, and what the command does with the file."""

from __future__ import annotations

import base64
import gzip
import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command_line import wslgpu
from wslgpu.errors import UsageError
from wslgpu.image.user_data import (
    PER_BOOT,
    PLACE,
    BundleSource,
    UserData,
    bundle_source,
    check_name,
    check_user,
    clone_source,
    render,
    with_user,
)
from wslgpu.project import PROJECT_ROOT

SHA = "0" * 63 + "1"
COMMIT = "a" * 40
BUNDLE = UserData("gpu", BundleSource(r"C:\Users\ann's\bundle.tar", SHA), {"profile": "current"})


def document(data: UserData) -> dict[str, Any]:
    text = render(data)
    assert text.startswith("#cloud-config\n")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def files(data: UserData) -> dict[str, dict[str, str]]:
    return {row["path"]: row for row in document(data)["write_files"]}


def test_a_bundles_node_is_made_by_one_script_at_each_start() -> None:
    made = files(BUNDLE)
    script = made[PER_BOOT]
    assert script["permissions"] == "0755"
    words = shlex.split(script["content"].splitlines()[-1])
    assert words == ["exec", "sh", f"{PLACE}/first_boot.sh", "bundle", r"C:\Users\ann's\bundle.tar", SHA, "-"]
    assert set(made) == {PER_BOOT, *(f"{PLACE}/{name}" for name in ("first_boot.sh", "fetch.py", "site.yml"))}
    assert "runcmd" not in document(BUNDLE)


def test_the_scripts_come_through_yaml_unchanged() -> None:
    from wslgpu import bootstrap

    folder = Path(str(bootstrap.__file__)).parent
    made = files(BUNDLE)
    for name in ("first_boot.sh", "fetch.py"):
        assert made[f"{PLACE}/{name}"]["content"] == (folder / name).read_text()


def test_a_clone_gets_its_lock_with_it() -> None:
    data = UserData("gpu", clone_source("https://git.example/wslgpu.git", COMMIT), {}, SHA, "schema: 1\n")
    made = files(data)
    packed = made[f"{PLACE}/wslgpu.lock.yml"]
    assert packed["encoding"] == "gz+b64"
    assert gzip.decompress(base64.b64decode(packed["content"])) == b"schema: 1\n"
    assert made[PER_BOOT]["content"].endswith(f"clone https://git.example/wslgpu.git {COMMIT} {SHA}\n")


def test_what_is_wsls_is_left_to_wsl_and_the_distributions_own_user_is_not_made() -> None:
    found = document(BUNDLE)
    assert found["preserve_hostname"] is True
    assert found["growpart"] == {"mode": "off"}
    assert found["ssh_deletekeys"] is False
    assert found["apt"] == {"preserve_sources_list": True}
    assert [user["name"] for user in found["users"]] == ["gpu"]
    assert found["users"][0]["lock_passwd"] is True
    assert not {"network", "hostname", "fqdn", "manage_etc_hosts", "password", "chpasswd"} & set(found)


def test_the_same_data_gives_the_same_bytes() -> None:
    assert render(BUNDLE) == render(replace(BUNDLE, site=dict(BUNDLE.site)))
    locked = replace(BUNDLE, lock="schema: 1\n")
    assert render(locked) == render(locked)
    assert render(locked) != render(BUNDLE)


def test_the_proxy_is_there_before_wslgpu_is() -> None:
    script = files(replace(BUNDLE, proxy="http://proxy:3128", no_proxy=("localhost", ".corp")))[PER_BOOT]["content"]
    assert "https_proxy=http://proxy:3128\nexport https_proxy\n" in script
    assert "no_proxy=localhost,.corp\n" in script
    assert "proxy" not in files(BUNDLE)[PER_BOOT]["content"]


def test_wsl_conf_gets_systemd_and_the_user_and_the_sites_own_keys_win() -> None:
    assert with_user({}, "gpu") == {"wsl_conf": {"boot": {"systemd": True}, "user": {"default": "gpu"}}}
    site = {"profile": "current", "wsl_conf": {"user": {"default": "ann"}, "network": {"hostname": "box"}}}
    assert with_user(site, "gpu") == {
        "profile": "current",
        "wsl_conf": {"boot": {"systemd": True}, "user": {"default": "ann"}, "network": {"hostname": "box"}},
    }


@pytest.mark.parametrize("where", ["/mnt/c/b.tar", r"C:\b.tar", "D:/b.tar", "https://host.example/b.tar"])
def test_places_that_a_distro_can_find(where: str) -> None:
    assert bundle_source(where, SHA) == BundleSource(where, SHA)


@pytest.mark.parametrize(
    ("where", "sha256", "said"),
    [
        ("bundle.tar", SHA, "no whole path"),
        ("ftp://host.example/b.tar", SHA, "no URL of http or https"),
        ("https:///b.tar", SHA, "no URL of http or https"),
        ("https://[b.tar", SHA, "no URL"),
        ("https://ann:secret@host.example/b.tar", SHA, "a user or password in it"),
        ("/mnt/c/b.tar\nreboot", SHA, "cannot be printed"),
        ("/mnt/c/b.tar", "", "cannot be read here"),
        ("/mnt/c/b.tar", "12", "is no sha256"),
    ],
)
def test_places_and_hashes_that_are_refused(where: str, sha256: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        bundle_source(where, sha256)
    assert caught.value.next_step
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "commit"),
    [("git@host.example:w.git", COMMIT), ("https://host.example/w.git", "main"), ("https://a:b@h.example/w", COMMIT)],
)
def test_clones_that_are_refused(url: str, commit: str) -> None:
    with pytest.raises(UsageError):
        clone_source(url, commit)


@pytest.mark.parametrize("user", ["", "root", "Ann", "a b", "-x", "a" * 33])
def test_users_that_are_refused(user: str) -> None:
    with pytest.raises(UsageError, match="no name for a user"):
        check_user(user)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a b"])
def test_file_names_that_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yml"
    path.write_text("profile: current\nca_file: /etc/ssl/company.pem\n")
    return path


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    folder = tmp_path / "ann"
    folder.mkdir()
    return folder


def run(profile: Path, site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return wslgpu("image", "user-data", "--to", profile, "--site", site, *words)


CLONE = ("--repository", "https://git.example/wslgpu.git", "--commit", COMMIT)


def test_the_command_writes_the_file_and_says_what_to_do_next(profile: Path, site: Path) -> None:
    done = run(profile, site, *CLONE)
    assert done.returncode == 0, done.stderr
    path = profile / ".cloud-init/default.user-data"
    assert yaml.safe_load(path.read_text())["users"][0]["name"] == "gpu"
    assert str(path) in done.stdout
    assert "cloud-init status --wait" in done.stdout
    assert "Debian 12's cloud-init knows no WSL" in done.stdout
    assert "ca_file names /etc/ssl/company.pem" in done.stderr
    again = run(profile, site, *CLONE, "--for", "debian-13", "--user", "ann", "--json")
    assert json.loads(again.stdout)["file"] == str(profile / ".cloud-init/debian-13.user-data")


def test_somebody_elses_file_stays_unless_told(profile: Path, site: Path) -> None:
    path = profile / ".cloud-init/default.user-data"
    path.parent.mkdir()
    path.write_text("#cloud-config\npackages: [vim]\n")
    refused = run(profile, site, *CLONE)
    assert refused.returncode == 2
    assert "wslgpu did not write it" in refused.stderr
    assert path.read_text() == "#cloud-config\npackages: [vim]\n"
    assert run(profile, site, *CLONE, "--force").returncode == 0
    assert run(profile, site, *CLONE).returncode == 0


def test_a_file_here_that_is_no_bundle_is_refused(profile: Path, site: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(b"no archive\n")
    done = run(profile, site, "--bundle", str(path))
    assert done.returncode == 1, done.stderr
    assert not (profile / ".cloud-init").exists()


@pytest.mark.parametrize("words", [(), (*CLONE, "--bundle", "/mnt/c/b.tar")])
def test_one_source_is_asked_for(profile: Path, site: Path, words: tuple[str, ...]) -> None:
    done = run(profile, site, *words)
    assert done.returncode == 2
    assert "one of --bundle and --repository" in done.stderr


def test_a_profile_that_is_not_there_is_not_made(profile: Path, site: Path) -> None:
    done = run(profile / "missing", site, *CLONE)
    assert done.returncode == 2
    assert not (profile / "missing").exists()


def test_the_labs_windows_side_answers_what_cloud_init_asks() -> None:
    folder = PROJECT_ROOT / "wslgpu/lab/stand_ins/windows_side"

    def says(*words: str) -> str:
        return subprocess.run(["sh", *words], capture_output=True, check=True).stdout.decode()

    cmd = str(folder / "cmd.sh")
    assert says(str(folder / "init.sh"), "sh", cmd, "/C", "echo %USERPROFILE%") == "C:\\Users\\lab\r\n"
    assert says(str(folder / "wslpath.sh"), "-au", r"C:\Users\lab") == "/mnt/c/Users/lab\n"
    assert says(str(folder / "wslpath.sh"), "-am", "/") == "//wsl.localhost/Lab/\n"
    refused = subprocess.run(["sh", cmd, "/C", "dir"], capture_output=True, text=True, check=False)
    assert (refused.returncode, "stand-in of the wslgpu lab" in refused.stderr) == (1, True)
