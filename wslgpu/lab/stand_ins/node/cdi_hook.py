"""nvidia-cdi-hook: what a CDI spec's createContainer hooks do to the container's root.

runc runs such a hook in the container's mount namespace after all mounts are made and before it pivots:
``/`` is still the node's root, so this Python works, and the container's root is ``<bundle>/<root.path>``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import NOTICE, cli
from .log import Logger

CONF_FOLDER = "/etc/ld.so.conf.d"
CONF_PREFIX = "00-nvcr-"
"""As the genuine hook names its files: one of its own for each call, so that the folders of two specs add up."""


class HookError(Exception):
    """The container cannot be prepared; runc then refuses to start it."""


def main(argv: list[str] | None = None) -> int:
    """The program; returns its exit status."""
    parser = cli.parser("nvidia-cdi-hook", "NVIDIA CDI Hook")
    command = cli.subparsers(parser)
    links = command("create-symlinks", "create symlinks in the container")
    links.add_argument("--link", action="append", default=[], metavar="TARGET::LINK")
    links.set_defaults(run=lambda options, root: create_symlinks(root, options.link))
    cache = command("update-ldcache", "update the container's ld.so cache")
    cache.add_argument("--folder", action="append", default=[])
    cache.add_argument("--ldconfig-path", default="/sbin/ldconfig")
    cache.set_defaults(run=lambda options, root: update_ldcache(root, options.folder, options.ldconfig_path))
    for added in (links, cache):
        added.add_argument("--container-spec", default="-", help="file with the container's OCI state")
    options = cli.parse(parser, argv)
    log = Logger()
    try:
        state = json.loads(_state_text(options.container_spec))
        options.run(options, container_root(state))
    except (HookError, OSError, ValueError) as error:
        log.failure(f"{error} ({NOTICE})")
        return 1
    return 0


def _state_text(path: str) -> str:
    return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")


def container_root(state: dict[str, Any]) -> Path:
    """The container's root folder, from the OCI state that the runtime hands to a hook."""
    if "bundle" not in state:
        raise HookError("the container's OCI state names no bundle")
    bundle = Path(state["bundle"])
    spec = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    root = bundle / str(spec["root"]["path"])
    if not root.is_dir():
        raise HookError(f"the container's root {root} is not there")
    return root


def create_symlinks(root: Path, links: list[str]) -> None:
    """Make each ``TARGET::LINK`` inside of *root*; a link that is right already is left alone."""
    _enter(root)
    for entry in links:
        target, separator, link = entry.partition("::")
        if not separator:
            raise HookError(f"invalid symlink specification {entry}")
        path = Path(link)
        if path.is_symlink() and str(path.readlink()) == target:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        if path.exists():
            raise HookError(f"failed to create symlink: {link}: file exists")
        path.symlink_to(target)


def update_ldcache(root: Path, folders: list[str], ldconfig: str) -> None:
    """Put *folders* in front of the container's library search path and run the node's ldconfig on it.

    An image without /etc/ld.so.cache has no loader that reads one: then only the sonames are linked,
    which ldconfig does without writing a cache.
    """
    command = [ldconfig, "-r", str(root)]
    if not (root / "etc/ld.so.cache").exists():
        command += ["-n", *folders]
    else:
        conf_folder = root / CONF_FOLDER.lstrip("/")
        conf_folder.mkdir(parents=True, exist_ok=True)
        conf = conf_folder / f"{CONF_PREFIX}{os.urandom(5).hex()}.conf"
        with conf.open("x", encoding="utf-8") as file:
            file.write("".join(f"{folder}\n" for folder in folders))
        conf.chmod(0o644)
        command += ["-C", "/etc/ld.so.cache", "-f", "/etc/ld.so.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HookError(f"ldconfig failed with exit status {done.returncode}: {done.stderr.strip()}")


def _enter(root: Path) -> None:
    # Links in the image (/bin -> usr/bin, /etc -> ../..) must be followed as the container sees them.
    os.chroot(root)
    os.chdir("/")
