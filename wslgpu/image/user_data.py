"""User-data for cloud-init: what makes a distro that is there already a node at the lock, when it starts next.

Written for cloud-init's WSL data source (24.1 and newer: Debian 13 and Ubuntu 24.04, not Debian 12). It leaves to WSL
what is WSL's, host name, network and disk, and to the distro its ssh host keys.

The work is done by a script in cloud-init's own folder ``scripts/per-boot``, which is run in the last stage of each
start: a run that was cut off goes on at the next one, its failure is cloud-init's, as `cloud-init status` shows, and
once it is done it costs nothing.
"""

from __future__ import annotations

import base64
import gzip
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import yaml

from wslgpu import __version__
from wslgpu.errors import UsageError

HEADER = "#cloud-config"
OURS = "# wslgpu image user-data"
PLACE = "/opt/wslgpu-bootstrap"
PER_BOOT = "/var/lib/cloud/scripts/per-boot/50-wslgpu"
LOG = "/var/log/wslgpu-bootstrap.log"
ANY_LOCK = "-"

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")  # useradd's own rule on Debian
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BundleSource:
    """A bundle: a file of the distro (``/mnt/c/...``), one of Windows (``C:\\...``), or a URL; and its sha256."""

    where: str
    sha256: str

    def words(self, lock: str) -> list[str]:
        return ["bundle", self.where, self.sha256, lock]


@dataclass(frozen=True)
class CloneSource:
    """A git repository and a commit of it."""

    where: str
    commit: str

    def words(self, lock: str) -> list[str]:
        return ["clone", self.where, self.commit, lock]


@dataclass(frozen=True)
class UserData:
    """What the file is made of.

    :param user: who is made, and whom WSL logs in
    :param site: the site file's data
    :param lock_sha256: of the lock that the node must end at; empty for the one in there
    :param lock: that lock's text, which a clone gets; empty where it comes with the source
    :param proxy: for what is fetched before wslgpu is there; empty for none
    """

    user: str
    source: BundleSource | CloneSource
    site: Mapping[str, Any]
    lock_sha256: str = ""
    lock: str = ""
    proxy: str = ""
    no_proxy: tuple[str, ...] = ()


def bundle_source(where: str, sha256: str) -> BundleSource:
    """A bundle's place, checked.

    :raises UsageError: neither a whole path nor http(s), or no sha256
    """
    if re.match(r"[A-Za-z]:[\\/]", where):
        pass
    elif "://" in where:
        _check_url(where, ("http", "https"), "--bundle")
    elif not where.startswith("/"):
        raise UsageError(
            f"{where!r} is no whole path", "--bundle", r"Say where the distro finds it: /mnt/c/..., C:\..., or a URL."
        )
    if not _SHA256.fullmatch(sha256):
        raise UsageError(
            f"{sha256!r} is no sha256" if sha256 else f"{where} cannot be read here, so its hash is not known",
            "--sha256",
            "Give the 64 digits that sha256sum prints for the bundle.",
        )
    _check_plain(where, "--bundle")
    return BundleSource(where, sha256)


def clone_source(url: str, commit: str) -> CloneSource:
    """A repository and a commit, checked.

    :raises UsageError: another kind of URL, or no whole commit
    """
    _check_url(url, ("https", "http", "file"), "--repository")
    if not _COMMIT.fullmatch(commit):
        raise UsageError(
            f"{commit!r} is no whole commit", "--commit", "Give all 40 digits: git rev-parse HEAD. Branches move."
        )
    return CloneSource(url, commit)


def _check_url(url: str, schemes: tuple[str, ...], where: str) -> None:
    try:
        parts = urlsplit(url)
        secret = bool(parts.username or parts.password)
    except ValueError:
        raise UsageError(f"{url!r} is no URL", where, f"One that begins with {schemes[0]}://") from None
    if parts.scheme not in schemes or not (parts.netloc or parts.scheme == "file"):
        raise UsageError(f"{url!r} is no URL of {' or '.join(schemes)}", where, f"One that begins with {schemes[0]}://")
    if secret:
        raise UsageError(
            "the URL has a user or password in it, which everybody on the machine could read",
            where,
            "Give one that needs none, or put the bundle on the Windows drive.",
        )
    _check_plain(url, where)


def _check_plain(value: str, where: str) -> None:
    if not value.isprintable():
        raise UsageError(f"{value!r} has a character that cannot be printed", where, "Give it without.")


def check_user(user: str) -> str:
    """The name of the user to be made.

    :raises UsageError: none that useradd would take, or root
    """
    if not _USER.fullmatch(user) or user == "root":
        raise UsageError(f"{user!r} is no name for a user", "--user", "Small letters and digits, such as gpu.")
    return user


def check_name(name: str) -> str:
    """The name of the file, which says for which distros it is.

    :raises UsageError: no file name of that kind
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a user-data file",
            "--for",
            "An instance as `wsl -l` lists it, debian-13, debian-all, or default.",
        )
    return name


def with_user(site: Mapping[str, Any], user: str) -> dict[str, Any]:
    """The site's data with what wsl.conf needs: systemd, and the user whom WSL logs in. The site's own keys win."""
    sections: dict[str, dict[str, Any]] = {"boot": {"systemd": True}, "user": {"default": user}}
    own = site.get("wsl_conf", {})
    merged = {name: {**keys, **own.get(name, {})} for name, keys in sections.items()}
    return {**site, "wsl_conf": {**own, **merged}}


def render(data: UserData) -> str:
    """The text of the file. The same data gives the same bytes."""
    words = data.source.words(data.lock_sha256 or ANY_LOCK)
    document = {
        # without "default": the distribution's own user is not made
        "users": [_user(data.user)],
        # WSL sets the name at each start, and has the disk
        "preserve_hostname": True,
        "growpart": {"mode": "off"},
        "resize_rootfs": False,
        # a distro that is there already keeps its package sources, which Ubuntu's cloud-init would write anew
        "apt": {"preserve_sources_list": True},
        # a distro that is there already keeps the keys that others know it by; one without any gets one, not five
        "ssh_deletekeys": False,
        "ssh_genkeytypes": ["ed25519"],
        "write_files": [
            _file(f"{PLACE}/first_boot.sh", _own("first_boot.sh"), "0755"),
            _file(f"{PLACE}/fetch.py", _own("fetch.py")),
            _file(f"{PLACE}/site.yml", yaml.safe_dump(with_user(data.site, data.user), sort_keys=True)),
            *([_packed(f"{PLACE}/wslgpu.lock.yml", data.lock)] if data.lock else []),
            _file(PER_BOOT, _per_boot(data, words), "0755"),
        ],
    }
    head = (
        f"{HEADER}\n{OURS}, {__version__}: makes a WSL2 distro a GPU node from {_described(data)}.\n"
        f"# What it does: {PER_BOOT}; what it said: {LOG}\n"
    )
    return head + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def _described(data: UserData) -> str:
    source = data.source
    exact = f"commit {source.commit}" if isinstance(source, CloneSource) else f"sha256 {source.sha256}"
    return f"{source.where} ({exact}; lock {data.lock_sha256 or 'as it comes'})"


def _user(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "gecos": "GPU node",
        "shell": "/bin/bash",
        "groups": ["adm", "sudo"],
        # nobody knows a password of it, and whoever may start the distro is root in it: wsl -u root
        "lock_passwd": True,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
    }


def _own(name: str) -> str:
    return (resources.files("wslgpu.bootstrap") / name).read_text(encoding="utf-8")


def _per_boot(data: UserData, words: list[str]) -> str:
    lines = ["#!/bin/sh", "# Written by cloud-init from wslgpu's user-data: makes this distro a GPU node, once."]
    if data.proxy:
        for name, value in (
            ("http_proxy", data.proxy),
            ("https_proxy", data.proxy),
            ("no_proxy", ",".join(data.no_proxy)),
        ):
            lines += [f"{name}={shlex.quote(value)}", f"export {name}"]
    lines.append(f"exec sh {PLACE}/first_boot.sh {shlex.join(words)}")
    return "\n".join(lines) + "\n"


def _file(path: str, content: str, permissions: str = "0644") -> dict[str, str]:
    return {"path": path, "owner": "root:root", "permissions": permissions, "content": content}


def _packed(path: str, content: str) -> dict[str, str]:
    packed = base64.b64encode(gzip.compress(content.encode(), mtime=0)).decode()
    return {**_file(path, packed), "encoding": "gz+b64"}


class _Dumper(yaml.SafeDumper):
    """Text of several lines as such, so that a reader sees the scripts as they are."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
