"""The command ``wslgpu image user-data``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wslgpu.command_options import json_option, site_option
from wslgpu.errors import ErrorClass, UsageError, WslgpuError

if TYPE_CHECKING:
    from wslgpu.image.user_data import UserData
    from wslgpu.settings import Settings

FOLDER = ".cloud-init"


@click.command("user-data")
@click.option(
    "--to",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help=r"The Windows profile, such as /mnt/c/Users/ann; the file goes into .cloud-init there.",
)
@click.option("--bundle", metavar="PATH-OR-URL", help=r"Where the distro finds the bundle: /mnt/c/…, C:\… or a URL.")
@click.option("--sha256", metavar="HEX", default="", help="The bundle's; computed where it can be read here.")
@click.option("--repository", metavar="URL", help="Instead of a bundle: clone this, and run `make node` there.")
@click.option("--commit", metavar="SHA", default="", help="With --repository: which commit, all 40 digits.")
@click.option(
    "--lock",
    "lock_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The lock that the node must end at; the one in force unless named.",
)
@click.option("--user", default="gpu", show_default=True, help="The user to make, whom WSL logs in.")
@click.option(
    "--for",
    "name",
    default="default",
    show_default=True,
    metavar="NAME",
    help="For which distros: an instance, debian-13, debian-all, or default, which is all.",
)
@click.option("--force", is_flag=True, help="Replace a file that is not wslgpu's.")
@site_option
@json_option
def user_data(
    to: Path,
    bundle: str | None,
    sha256: str,
    repository: str | None,
    commit: str,
    lock_path: Path | None,
    user: str,
    name: str,
    force: bool,
    site: Path | None,
    as_json: bool,
) -> None:
    """Write user-data for cloud-init, which makes a WSL2 distro a node at the lock.

    It goes to .cloud-init in the Windows profile, where cloud-init's WSL data source looks. Debian 13 and Ubuntu 24.04
    have that source; Debian 12 has not, and ignores the file. The distro gets the bundle (or the clone), compares its
    hash, makes an environment from its wheels, and applies it. What is cut off goes on at the next start.
    """
    from wslgpu.image import user_data as text_of

    if (bundle is None) == (repository is None):
        raise UsageError("give one of --bundle and --repository", "image user-data", "A bundle needs no network.")
    if not to.is_dir():
        raise UsageError("there is no such folder", str(to), "Name your Windows profile, such as /mnt/c/Users/ann.")
    text_of.check_user(user)
    text_of.check_name(name)
    data = _gathered(bundle, sha256, repository, commit, lock_path, user, site)
    text = text_of.render(data)
    path = to / FOLDER / f"{name}.user-data"
    _write(path, text, text_of.OURS, force=force)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if as_json:
        click.echo(json.dumps(_document(path, digest, data), indent=2))
    else:
        _say(path, data)


def _gathered(
    bundle: str | None,
    sha256: str,
    repository: str | None,
    commit: str,
    lock_path: Path | None,
    user: str,
    site: Path | None,
) -> UserData:
    """All that is rendered, checked against each other.

    :raises UsageError, DataError: wrong options, settings or lock
    :raises WslgpuError: class integrity: the bundle here has another hash, or is of another lock
    """
    from wslgpu.image.user_data import BundleSource, CloneSource, UserData, clone_source
    from wslgpu.lock.load import load_lock, lock_file
    from wslgpu.settings import load, site_file
    from wslgpu.yaml_source import load_yaml

    settings = load(site)
    path = site or site_file()
    own: dict[str, Any] = load_yaml(path).data if path.exists() else {}
    lock_path = lock_path or lock_file()
    lock_text = ""
    if lock_path is not None:
        load_lock(lock_path)
        lock_text = lock_path.read_text(encoding="utf-8")
    lock_sha256 = hashlib.sha256(lock_text.encode()).hexdigest() if lock_text else ""
    source: BundleSource | CloneSource
    if repository is not None:
        source = clone_source(repository, commit)
    else:
        source, lock_sha256 = _bundle(bundle or "", sha256, lock_sha256)
        lock_text = ""  # it is in the bundle
    for key, value in _files_named(settings):
        click.echo(f"note: {key} names {value}: the distro must have that file too, before it starts", err=True)
    return UserData(
        user, source, own, lock_sha256, lock_text, proxy=settings.proxy_url, no_proxy=tuple(settings.no_proxy)
    )


def _bundle(where: str, sha256: str, lock_sha256: str) -> tuple[Any, str]:
    """The bundle's source and its lock's sha256; what can be compared here is."""
    from wslgpu.bundle.archive import Bundle
    from wslgpu.bundle.index import LOCK
    from wslgpu.host_files import sha256_of_file
    from wslgpu.image.user_data import bundle_source

    here = Path(where)
    if "://" in where or not here.is_file():
        return bundle_source(where, sha256), lock_sha256
    bundle = Bundle(here)
    if missing := {"project", "wheels"} & set(bundle.index.left_out):
        raise UsageError(
            f"it was made without {' and '.join(sorted(missing))}, which a distro cannot begin without",
            where,
            "Make it with them: wslgpu bundle make.",
        )
    own_lock = hashlib.sha256(bundle.read(LOCK)).hexdigest()
    if lock_sha256 and own_lock != lock_sha256:
        raise WslgpuError(
            f"it is of the lock {own_lock[:12]}, and the lock in force is {lock_sha256[:12]}",
            where,
            "Make the bundle from this lock, or name the bundle's own with --lock.",
            ErrorClass.INTEGRITY,
        )
    found = sha256_of_file(here)
    if sha256 and found != sha256:
        raise WslgpuError(
            f"its sha256 is {found}, not the one given", where, "Copy the bundle anew.", ErrorClass.INTEGRITY
        )
    return bundle_source(where, found), own_lock


def _files_named(settings: Settings) -> list[tuple[str, str]]:
    """Settings that name files of the controller, which the distro will be itself."""
    names = ("ca_file", "proxy_credentials_file", "kubernetes_join_kubeconfig_file", "vllm_api_key_file")
    named = [(name, str(getattr(settings, name))) for name in names]
    named += [("containerd_mirrors", mirror.ca_file) for mirror in settings.containerd_mirrors]
    return [(name, value) for name, value in named if value]


def _write(path: Path, text: str, ours: str, *, force: bool) -> None:
    """Put the file there, whole; one that somebody else wrote only when asked to.

    :raises UsageError: it is not ours, or cannot be written
    """
    from wslgpu.host_files import write_atomically

    try:
        if path.exists() and not force and ours not in path.read_text(encoding="utf-8", errors="replace"):
            raise UsageError(
                "it is there, and wslgpu did not write it",
                str(path),
                "Keep it under another name, add --force to replace it, or use --for INSTANCE.",
            )
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror})", str(path), "Name another place with --to.") from error


def _document(path: Path, digest: str, data: UserData) -> dict[str, Any]:
    from wslgpu.image.user_data import CloneSource

    source = data.source
    clone = isinstance(source, CloneSource)
    return {
        "schema": 1,
        "file": str(path),
        "sha256": digest,
        "user": data.user,
        "lock": f"sha256:{data.lock_sha256}" if data.lock_sha256 else "",
        "source": {"kind": "clone" if clone else "bundle", "where": source.where, "exact": source.words("")[2]},
    }


def _say(path: Path, data: UserData) -> None:
    from wslgpu.image.user_data import LOG, PLACE

    click.echo(
        f"Wrote {path}: user {data.user}, from {data.source.where}, lock {data.lock_sha256[:12] or 'as it comes'}.\n"
        "Next, on Windows:\n"
        "  wsl -d DISTRO -- cloud-init status --wait --long\n"
        "which starts the distro and waits; where cloud-init has run before, first\n"
        "  wsl -d DISTRO -u root -- cloud-init clean, then wsl --terminate DISTRO\n"
        "Keep that window open: WSL stops a distro in which nobody works; what is cut off goes on at the next start.\n"
        f"In the distro: the log is {LOG}, wslgpu is {PLACE}/project/.venv/bin/wslgpu.\n"
        "Debian 12's cloud-init knows no WSL and ignores the file; Debian 13 needs apt install cloud-init."
    )
