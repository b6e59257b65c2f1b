"""``wslgpu image build``: a throw-away machine, provisioned by the project's own deploy, as a .wsl file.

::

    data and lock -> machine -> deploy -> off -> lab out, parts in, normalised -> packed -> judged -> put in place

The file appears under its name when all is done and judged; until then the one that was there before stays.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import glob
import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wslgpu.apply.parent import ApplyRequest, run_apply
from wslgpu.build.errors import disk_full, size_words
from wslgpu.errors import ErrorClass
from wslgpu.host_files import locked, write_atomically
from wslgpu.image import fit
from wslgpu.image import machine as machines
from wslgpu.image.contents import read
from wslgpu.image.documents import MadeImage, bill, independent_of, packages_of, provenance
from wslgpu.image.errors import ImageError
from wslgpu.image.normalise import newest_change, normalise
from wslgpu.image.pack import Packed, pack
from wslgpu.image.parts import Part, add, parts
from wslgpu.image.rules import Severity, judge
from wslgpu.lock.force import site_places, under
from wslgpu.lock.load import load_lock, lock_file
from wslgpu.lock.model import LOCK_VARIABLE, LockedPackage
from wslgpu.settings import Settings, load, site_file
from wslgpu.yaml_source import load_yaml

DISTRIBUTIONS = {"debian-13": "trixie", "debian-12": "bookworm"}
COMPONENTS = (
    *("preflight", "wsl", "base", "containerd", "container_toolkit", "video_cdi"),
    *("mesa_dozen", "ffmpeg", "kubernetes", "vllm"),
)
"""deploy.py's, in its order, without cuda_images: gigabytes that a machine pulls, or gets from a bundle, by digest."""
ROOM_BYTES = 1_500_000_000
"""What a machine and an image of it take, with room to spare."""
EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ImageRequest:
    """What to build.

    :param target: the .wsl file
    :param site: site file in place of site.yml
    :param lock: lock in place of the one in force
    :param name: under which WSL registers the distro; empty: ``wslgpu-debian-13``
    :param verbose: show what pyinfra says
    """

    target: Path
    distribution: str = "debian-13"
    site: Path | None = None
    lock: Path | None = None
    name: str = ""
    verbose: bool = False

    @property
    def distro_name(self) -> str:
        return self.name or f"wslgpu-{self.distribution}"


def build(request: ImageRequest, progress: Progress) -> MadeImage:
    """Build it; the file and its three companions are in place afterwards.

    :raises DataError: wrong data, or a lock that is none
    :raises ImageError: a place that cannot be written, a node that is not as locked, an image that breaks a rule
    :raises WslgpuError: the machine could not be made or provisioned
    """
    target = request.target
    base = DISTRIBUTIONS[request.distribution]
    _check_target(request)
    machines.require(base)
    lock_path = request.lock or lock_file()
    # under the lock: what disagrees ends here, before a machine is made
    places = site_places(request.site or site_file())
    settings = under(load(request.site), lock_path, places)
    fit.check(settings, places)
    if site_parts := fit.told(settings):
        progress(f"note: the image will hold the site's {', '.join(site_parts)}")
    locked_packages, lock_epoch = _locked(lock_path, request.distribution)
    started = _now()
    lock_name = target.with_name(f".{target.name}.lock")
    with _umask(), locked(lock_name), named_trouble(target):
        for left in target.parent.glob(f".{glob.escape(target.name)}.new-*"):
            left.unlink()
        temporary = target.with_name(f".{target.name}.new-{os.getpid()}")
        try:
            with machines.machine(base, progress=progress) as machine:
                _provision(machine, request, lock_path, progress)
                machine.power_off()
                progress("taking out what is of this machine")
                machine.take_lab_out()
                root = machine.root
                status = (root / "var/lib/dpkg/status").read_text()
                packages = packages_of(status)
                _check_locked(packages, locked_packages, lock_path)
                epoch = _epoch(lock_epoch, root)
                added = parts(
                    name=request.distro_name,
                    wsl_conf=settings.wsl_conf,
                    cloud_init=machines.has_cloud_init(base) and "cloud-init" in packages,
                )
                add(root, added)
                normalise(root, epoch)
                artifacts = _artifacts(root)
                packed = _pack(root, temporary, epoch, machine.marks, progress)
            image = _made(request, settings, packed, packages, added, epoch, base)
            image = replace(
                image,
                lock=settings.lock_digest,
                locked=locked_packages,
                artifacts=artifacts,
                independent=independent_of(status),
            )
            progress("judging it by the rules for .wsl files")
            _judge(temporary, target, progress)
            _put_in_place(temporary, image, target, started)
        finally:
            temporary.unlink(missing_ok=True)
            lock_name.unlink(missing_ok=True)  # while it is held, as its kind has to be
    return image


def _check_target(request: ImageRequest) -> None:
    target = request.target
    if target.suffix != ".wsl":
        raise ImageError(f"{target.name} must end with .wsl", "--to", "Windows knows it by that.", ErrorClass.USAGE)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", request.distro_name):
        raise ImageError(
            f"{request.name!r} cannot name a distro", "--name", "Use letters and digits.", ErrorClass.USAGE
        )
    if not target.parent.is_dir() or target.is_dir():
        step = "Make the folder first, and name a file in it."
        raise ImageError(f"{target} cannot be a file there", "--to", step, ErrorClass.USAGE)
    free = os.statvfs(target.parent)
    if free.f_bavail * free.f_frsize < ROOM_BYTES:
        raise disk_full(f"an image takes about {size_words(ROOM_BYTES)}; it", target.parent)


@contextlib.contextmanager
def _umask() -> Iterator[None]:
    """The builder's own umask must not show in the image."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def named_trouble(target: Path) -> Iterator[None]:
    """A full disk and its like as one line; what was at the target stays."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(f"building {target.name}", target.parent) from error
        what = f"building {target.name} failed: {error.strerror or error}"
        raise ImageError(what, str(error.filename or target), "See that the place can be written.") from error


def _locked(path: Path | None, distribution: str) -> tuple[dict[str, LockedPackage], int]:
    """What the lock says of this distribution's packages, and the time of its youngest index."""
    if path is None:
        return {}, 0
    lock, document = load_lock(path)
    row = lock.distributions.get(distribution.replace("-", " "))
    if row is None:
        known = ", ".join(lock.distributions) or "none"
        raise ImageError(
            f"the lock has no {distribution} (it has {known})",
            document.where(("distributions",)),
            "Make it on a node of that distribution: wslgpu lock",
            ErrorClass.USAGE,
        )
    dates = [datetime.datetime.fromisoformat(index.date.replace("Z", "+00:00")) for index in row.indexes]
    return row.packages, int(max(dates).timestamp()) if dates else 0


def _provision(machine: machines.Machine, request: ImageRequest, lock: Path | None, progress: Progress) -> None:
    """The project's own deploy, with settings that say that the driver comes later."""
    site = request.site or site_file()
    own = load_yaml(site).data if site.exists() else {}
    # Windows' drive is not there either
    machine.configure({**own, "wsl_required": False, "gpu_at": "first-boot", "wslconfig_write": False})
    environment = list(machine.environment)
    if lock is not None:
        environment.append((LOCK_VARIABLE, str(lock.resolve())))
    progress(f"provisioning it: {', '.join(COMPONENTS[1:])}")
    apply = ApplyRequest(
        machine.inventory,
        only=COMPONENTS,
        site=request.site,
        environment=tuple(environment),
        verbose=request.verbose,
    )
    result = run_apply(apply)
    machine.settle()
    errors = [error for host in result.hosts for error in host.errors]
    if result.error is not None:
        errors.append(result.error)
    if errors:
        raise errors[0]
    if result.exit_code != 0:
        raise ImageError("the machine could not be provisioned", "deploy", "Run it with -v.", ErrorClass.INTERNAL)


def _check_locked(packages: dict[str, str], locked_packages: dict[str, LockedPackage], lock: Path | None) -> None:
    """Every package that the lock knows has its version: also those that came with the base system."""
    differing = [
        f"{name} {version} (locked: {locked_packages[name].version})"
        for name, version in packages.items()
        if name in locked_packages and locked_packages[name].version != version
    ]
    if differing:
        shown = ", ".join(differing[:5]) + (f" and {len(differing) - 5} more" if len(differing) > 5 else "")
        raise ImageError(
            f"the machine is not as locked: {shown}",
            str(lock),
            "The archive has moved since the lock was made, or the kept base system is older: make the lock anew with "
            "wslgpu lock --upgrade, or delete the base system (roots below WSLGPU_CACHE_DIR/lab).",
            ErrorClass.INTEGRITY,
        )


def _epoch(lock_epoch: int, root: Path) -> int:
    """SOURCE_DATE_EPOCH, else the time of the lock's youngest index, else that of the youngest package."""
    given = os.environ.get(EPOCH_VARIABLE, "")
    if given:
        if not given.isdigit():
            raise ImageError(f"{EPOCH_VARIABLE}={given!r} is no number of seconds", "environment", "", ErrorClass.USAGE)
        return int(given)
    return lock_epoch or newest_change(root)


def _artifacts(root: Path) -> dict[str, str]:
    """What the node's manifest says of artifacts of the store."""
    path = root / "var/lib/wslgpu/manifest.json"
    if not path.is_file():
        return {}
    components = json.loads(path.read_text()).get("components", {})
    return {name: digest for row in components.values() for name, digest in row.get("artifacts", {}).items()}


def _pack(root: Path, temporary: Path, epoch: int, marks: tuple[bytes, ...], progress: Progress) -> Packed:
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        if done - told >= 100_000_000:
            told = done
            progress(f"packing: {size_words(done)} read")

    progress("packing")
    return pack(root, temporary, epoch=epoch, forbidden=marks, progress=tell)


def _made(
    request: ImageRequest,
    settings: Settings,
    packed: Packed,
    packages: dict[str, str],
    added: list[Part],
    epoch: int,
    base: str,
) -> MadeImage:
    # where the lock lies on this machine is nothing of the image
    text = json.dumps({**settings.as_data(), "lock_file": ""}, sort_keys=True)
    return MadeImage(
        file=request.target.name,
        sha256=packed.sha256,
        size_bytes=packed.size_bytes,
        unpacked_bytes=packed.unpacked_bytes,
        name=request.distro_name,
        distribution=request.distribution,
        release=base,
        profile=settings.profile,
        epoch=epoch,
        packages=packages,
        settings=hashlib.sha256(text.encode()).hexdigest(),
        parts={part.path: hashlib.sha256(part.content).hexdigest() for part in added if not part.target},
    )


def _judge(temporary: Path, target: Path, progress: Progress) -> None:
    """Under its own name. What is only advised against may be what the site asks for, such as keys of wsl.conf."""
    found = judge(replace(read(temporary), file_name=target.name))
    broken = [entry for entry in found if entry.rule.severity is Severity.ERROR]
    for entry in found[len(broken) :]:
        progress(f"warning: {entry.rule.id}: {entry.what}")
    if broken:
        shown = "; ".join(f"{entry.rule.id}: {entry.what}" for entry in broken[:5])
        step = "What was there before stays. The data may ask for what an image may not have: see the rules' names."
        raise ImageError(f"the image breaks {len(broken)} rules: {shown}", str(target), step, ErrorClass.INTEGRITY)


def _put_in_place(temporary: Path, image: MadeImage, target: Path, started: str) -> None:
    """The image first: a companion of another one is told by the digest that it names."""
    statement = provenance(image, invocation=str(uuid.uuid4()), started=started, finished=_now())
    temporary.chmod(0o644)
    temporary.replace(target)
    write_atomically(target.with_name(f"{target.name}.sha256"), f"{image.sha256}  {target.name}\n")
    write_atomically(target.with_name(f"{target.name}.cdx.json"), bill(image))
    write_atomically(target.with_name(f"{target.name}.provenance.json"), statement)


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
