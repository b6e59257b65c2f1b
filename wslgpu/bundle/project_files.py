"""The project's own files in a bundle: what git knows, as it stands in the working tree."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from wslgpu.bundle.index import BOOTSTRAP, Member
from wslgpu.bundle.work import Work
from wslgpu.errors import UsageError, WslgpuError
from wslgpu.host_files import sha256_of_file
from wslgpu.programs import run

BOOTSTRAP_SOURCE = Path("wslgpu") / "bootstrap" / "bootstrap.sh"
SITE = "project/site.yml"
"""The site's file lies where deploys look for it by themselves."""


def gather(root: Path, work: Work) -> list[Member]:
    """Every file that git has in its index; none that is ignored or unknown to it, so that no secret slips in.

    :raises UsageError: the folder is no git checkout
    """
    listed = run(
        ["git", "-C", root, "ls-files", "-z"], check=False, missing="Install git, or leave it out: --without project."
    )
    if not listed.ok:
        said = listed.stderr.strip().splitlines()
        raise UsageError(
            f"git does not list the project's files ({said[-1] if said else listed.rc})",
            str(root),
            "A bundle is made from a git checkout; or leave them out: --without project.",
        )
    members = []
    for name in sorted(name for name in listed.stdout.split("\0") if name):
        path = root / name
        if not path.exists() and not path.is_symlink():
            continue  # deleted in the working tree
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise WslgpuError("is no plain file, and only such can be in a bundle", str(path), "Replace it by a file.")
        members.append(_member(path, f"project/{name}", work))
    return members


def site(path: Path, work: Work) -> Member:
    """The site's file."""
    return _member(path, SITE, work)


def bootstrap(root: Path, work: Work) -> list[Member]:
    """The script that a new node runs from the bundle."""
    path = root / BOOTSTRAP_SOURCE
    return [_member(path, BOOTSTRAP, work)] if path.is_file() else []


def _member(path: Path, name: str, work: Work) -> Member:
    try:
        sha256 = sha256_of_file(path)
        size, program = path.stat().st_size, os.access(path, os.X_OK) and bool(path.stat().st_mode & 0o100)
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", str(path), "Check its permissions.") from error
    work.keep(path, sha256)
    return Member(path=name, size_bytes=size, sha256=sha256, program=program or name == BOOTSTRAP)
