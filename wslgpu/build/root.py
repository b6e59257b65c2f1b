"""The clean root of a build: a Debian release with the recipe's build packages, used read-only by all builds.

It is made by mmdebstrap outside of any build, where there is a network, and nothing is ever written to it afterwards.
No certificate authority, proxy or name of this machine gets into it: apt, which runs outside, needs them, and nobody
inside. After 30 days it is made anew, since archives move; until then the same versions are used, so that the key of a
build does not change from one day to the next.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build import environment
from wslgpu.build.access import Access
from wslgpu.build.errors import BuildError, disk_full
from wslgpu.build.mirrors import candidates
from wslgpu.build.places import cache_dir
from wslgpu.build.sandbox import tail_of
from wslgpu.debian_root import KEYRING, Shelf, is_used, remove, used
from wslgpu.errors import ErrorClass
from wslgpu.programs import run

LAYOUT = 2  # raise it when install() changes what it makes
MAX_AGE_S = 30 * 24 * 3600
ALWAYS = ("ccache", "patch")
"""What is in every root, whatever the recipe names."""
PROGRAMS = {"mmdebstrap": "mmdebstrap", "dpkg-query": "dpkg", "unshare": "util-linux"}
_TIMEOUT_S = 1800.0
_DIRECT = Access()
_MISSING = re.compile(
    r"Unable to locate package (\S+)|Package '?([^' ]+)'? has no installation candidate"
    r"|find any package by \S+ '([^']+)'"
)
_NETWORK = ("Could not resolve", "Failed to fetch", "Temporary failure", "Connection refused", "Connection timed out")
_SIGNATURE = ("NO_PUBKEY", "EXPKEYSIG", "BADSIG", "is not signed")


@dataclass(frozen=True)
class BuildRoot:
    """A clean root.

    :param packages: package -> exact version of everything that is installed in it
    """

    path: Path
    base: str
    packages: dict[str, str]


def shelf(base: str, packages: Sequence[str]) -> Shelf:
    """Where the roots with these packages are kept."""
    inputs = {"layout": LAYOUT, "base": base, "packages": sorted({*packages, *ALWAYS})}
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    return Shelf(cache_dir() / "build-roots", f"{base}-{key}.", MAX_AGE_S)


def existing(base: str, packages: Sequence[str]) -> BuildRoot | None:
    """The root as it is kept, without making anything."""
    place = shelf(base, packages).newest()
    return None if place is None else _read(place, base)


@contextlib.contextmanager
def build_root(
    base: str,
    packages: Sequence[str],
    log: Path,
    *,
    fresh: bool = False,
    access: Access = _DIRECT,
    needed_by: str = "the recipe",
    progress: Callable[[str], None] = lambda _line: None,
) -> Iterator[BuildRoot]:
    """The clean root, made if it is not there, and kept from being pruned while the block runs.

    :param fresh: make it anew, with what the archive has now
    :param access: the way out of the network, for apt, which runs outside of the root
    :param needed_by: who asks for the packages, for messages
    :raises BuildError: a package that the base does not have, no network, a full disk
    """

    def make(new: Path) -> None:
        progress(f"making a clean Debian {base} root with {len(packages)} build packages")
        _make(new, base, sorted({*packages, *ALWAYS}), log, access, needed_by)

    place = shelf(base, packages).ensure(make, fresh=fresh, in_use=is_used)
    with used(place):
        yield _read(place, base)


def _make(new: Path, base: str, packages: Sequence[str], log: Path, access: Access, needed_by: str) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    failures: list[BuildError] = []
    for sources in candidates(base):
        begin = log.stat().st_size if log.exists() else 0
        if _mmdebstrap(new, base, packages, sources, log, access):
            install(new)
            return
        failures.append(_failure(tail_of(log, begin), base, log, new, needed_by))
        remove(new)
        if failures[-1].error_class is not ErrorClass.NETWORK:
            break
    raise failures[-1]


def _mmdebstrap(
    new: Path, base: str, packages: Sequence[str], sources: Sequence[tuple[str, str]], log: Path, access: Access
) -> bool:
    lines = [f"deb [signed-by={KEYRING}] {address} {suite} main" for address, suite in sources]
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as options:  # mode 0600: a proxy's address may be private
        options.write(_apt_options(access))
        options.flush()
        # its mounts and processes are its own, and end with us
        command = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--fork", "--mount-proc"]
        command += ["--kill-child=KILL", "mmdebstrap", "--variant=essential", "--format=directory"]
        # a package that is not there is found out here, and not after minutes, when the essential ones are installed
        known = f'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -qq --simulate install {shlex.join(packages)} >/dev/null'
        command += [f"--extract-hook={known}", f"--include={','.join(packages)}", f"--aptopt={options.name}"]
        command += [base, str(new), *lines]
        with log.open("ab") as handle:
            try:
                ended = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=handle,
                    stderr=handle,
                    env={**os.environ, **access.environment(), "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1760000000"},
                    timeout=_TIMEOUT_S,
                    umask=0o022,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                what = f"making a Debian {base} root did not end within {_TIMEOUT_S:g} s"
                step = "Look at the machine's load and network, then try again."
                raise BuildError(what, str(log), step, ErrorClass.TIMEOUT, True) from error
    return ended.returncode == 0


def _apt_options(access: Access) -> str:
    """The machine's own ways to reach the network, and the site's; mmdebstrap's apt would know nothing of them."""
    dump = run(["apt-config", "dump"], check=False).stdout
    lines = [line for line in dump.splitlines() if line.startswith(("Acquire::http", "Acquire::https"))]
    if access.authorities:
        lines.append(f'Acquire::https::CaInfo "{access.bundle()}";')
    return "\n".join(lines) + "\n"


def _failure(tail: str, base: str, log: Path, new: Path, needed_by: str) -> BuildError:
    missing = sorted({name for match in _MISSING.finditer(tail) for name in match.groups() if name})
    if missing:
        names = ", ".join(missing)
        what = f"Debian {base} has no package {names}, which {needed_by} needs to be built"
        return BuildError(what, str(log), "Correct the recipe's packages, or its base.", ErrorClass.USAGE)
    if "No space left on device" in tail:
        return disk_full("making the clean root", new.parent)
    if any(word in tail for word in _SIGNATURE):
        step = "Install a debian-archive-keyring that knows the release."
        return BuildError(
            f"the archive's signature for {base} could not be checked", str(log), step, ErrorClass.INTEGRITY
        )
    errors = [line for line in tail.splitlines() if line.startswith("E:")]
    said = errors[0] if errors else (tail.strip().splitlines() or ["it said nothing"])[-1]
    if any(word in tail for word in _NETWORK):
        step = "Check the network, proxy_url and ca_file, then try again."
        return BuildError(f"the archive of {base} cannot be reached: {said}", str(log), step, ErrorClass.NETWORK, True)
    return BuildError(f"mmdebstrap could not make a Debian {base} root: {said}", str(log), "See the log.")


def install(root: Path) -> None:
    """The same for all: the user, the places of :mod:`wslgpu.build.environment`, nothing of this machine."""
    for name in (environment.RECIPE, environment.SOURCES, environment.BUILD, environment.OUT, environment.CCACHE):
        (root / name.lstrip("/")).mkdir()
    user, number = environment.USER_NAME, environment.USER_ID
    with (root / "etc/passwd").open("a") as handle:
        handle.write(f"{user}:x:{number}:{number}::{environment.BUILD}:/bin/sh\n")
    with (root / "etc/group").open("a") as handle:
        handle.write(f"{user}:x:{number}:\n")
    for name in ("cc", "c++"):  # Debian's ccache has them by their other names only
        link = root / "usr/lib/ccache" / name
        if (root / "usr/bin" / name).is_symlink() and not link.exists():
            link.symlink_to("../../bin/ccache")
    (root / "etc/hostname").write_text(f"{environment.HOST_NAME}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {environment.HOST_NAME}\n")
    for name in ("etc/resolv.conf", "etc/machine-id", "etc/apt/apt.conf.d/99mmdebstrap", "etc/apt/sources.list"):
        (root / name).unlink(missing_ok=True)
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)


def _read(place: Path, base: str) -> BuildRoot:
    """dpkg's own list; architecture-qualified names, such as libc6:amd64, lose that part where it is the only one."""
    listed = run(["dpkg-query", f"--root={place}", "--show", "--showformat=${binary:Package}=${Version}\\n"]).stdout
    packages = dict(line.partition("=")[::2] for line in listed.splitlines())
    return BuildRoot(place, base, {name.removesuffix(":amd64"): version for name, version in packages.items()})


def missing_packages() -> list[str]:
    """Debian packages that this machine lacks for making a root, sorted."""
    missing = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    return sorted(missing | ({"debian-archive-keyring"} if not KEYRING.exists() else set()))
