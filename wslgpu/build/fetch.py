"""A pinned file, from wherever it can be had, into the cache; nothing reads it before its hash is right.

The cache is content-addressed: ``sources/sha256/HEX/FILE``. What is there under its final name was whole when it was
put there, and is compared again each time that it is asked for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from wslgpu.build.access import Access
from wslgpu.build.download import Limits
from wslgpu.build.errors import free_words, named_trouble, size_words
from wslgpu.build.locks import is_free
from wslgpu.build.origins import Origin, Request, origins
from wslgpu.build.pins import SourcePin
from wslgpu.build.places import cache_dir
from wslgpu.errors import DataError, ErrorClass, UsageError, WslgpuError
from wslgpu.host_files import locked, sha256_of_file
from wslgpu.pins import UNRESOLVED

_DIRECT, _USUAL = Access(), Limits()
_WORST = (ErrorClass.SAFETY, ErrorClass.INTEGRITY, ErrorClass.NETWORK, ErrorClass.TIMEOUT)
SAY_EVERY_S = 1.0


def fetch(
    pin: SourcePin,
    *,
    folders: Sequence[Path] = (),
    progress: Callable[[str], None],
    access: Access = _DIRECT,
    limits: Limits = _USUAL,
) -> Path:
    """The verified file of a pin, in the cache.

    :param folders: of the user's, which are looked at before anything is asked over a network
    :raises DataError: the pin has no hash
    :raises WslgpuError: every origin failed: the message has each with its reason. The class is that of the gravest:
        integrity, then network (retryable), then platform
    """
    place = cached_place(pin)
    lock = cache_dir() / "sources" / "locks" / pin.sha256
    with named_trouble(f"fetching {pin.file}", cache_dir()):
        lock.parent.mkdir(parents=True, exist_ok=True)
        if not is_free(lock):
            progress(f"{pin.file}: waiting for another process that fetches it")
        with locked(lock):
            return place if _still_good(place, pin, progress) else _bring(pin, place, folders, progress, access, limits)


def cached_place(pin: SourcePin) -> Path:
    """Where the file of a pin lies, once it is there.

    :raises DataError: the pin has no hash
    """
    if pin.sha256 == UNRESOLVED:
        hint = "`wslgpu sources row RELEASE PACKAGE --fetch` prints a row with the hash" if pin.debian else "Compare it"
        raise DataError(
            f"{pin.name} {pin.version} has no hash (sha256: {UNRESOLVED}), so no build may read {pin.file}",
            "build_sources",
            f"{hint}; write it into the pin.",
        )
    return cache_dir() / "sources" / "sha256" / pin.sha256 / pin.file


def _still_good(place: Path, pin: SourcePin, progress: Callable[[str], None]) -> bool:
    if not place.exists():
        return False
    if sha256_of_file(place) == pin.sha256:
        return True
    progress(f"{pin.file}: the cached file is damaged and is fetched again")
    place.unlink()
    return False


def _bring(
    pin: SourcePin,
    place: Path,
    folders: Sequence[Path],
    progress: Callable[[str], None],
    access: Access,
    limits: Limits,
) -> Path:
    partials = cache_dir() / "sources" / "partial"
    partials.mkdir(parents=True, exist_ok=True)
    for left in partials.glob(f"{pin.sha256}.incoming-*"):  # of a fetch that was killed: we hold the lock
        shutil.rmtree(left)
    _require_room(partials, pin)
    failures: list[tuple[str, WslgpuError]] = []
    with tempfile.TemporaryDirectory(prefix=f"{pin.sha256}.incoming-", dir=partials) as folder:
        partial = partials / f"{pin.sha256}.part"
        meter = Meter(pin.file, pin.size_bytes, progress)
        request = Request(pin, partial, Path(folder), access, limits, progress, meter)
        if partial.exists() and partial.stat().st_size > pin.size_bytes:
            partial.unlink()
        for origin in origins(pin, folders):
            try:
                _keep(_compared(origin, request), place)
            except WslgpuError as error:
                failures.append((origin.label, error))
                progress(f"{pin.file}: not from {origin.label}: {error.what}")
            else:
                partial.unlink(missing_ok=True)
                return place
    raise all_failed(pin, failures)


def _compared(origin: Origin, request: Request) -> Path:
    """What an origin brings, once its hash is right; a transfer gets one more try from zero."""
    pin = request.pin
    for last in (not origin.again, True):
        file = origin.bring(request)
        have = sha256_of_file(file)
        if have == pin.sha256:
            return file
        size = file.stat().st_size
        file.unlink()
        if last:
            break
        request.progress(f"{pin.file}: came damaged from {origin.label}, once more from the start")
    raise WslgpuError(
        f"has sha256 {have} ({size:,} bytes), and the pin says {pin.sha256} ({pin.size_bytes:,} bytes)",
        origin.label,
        "Look which of the two is right.",
        ErrorClass.INTEGRITY,
    )


def _keep(file: Path, place: Path) -> None:
    """Give a compared file its final name."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o644)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    file.replace(place)


def _require_room(folder: Path, pin: SourcePin) -> None:
    if shutil.disk_usage(folder).free < pin.size_bytes:
        raise WslgpuError(
            f"there is no room for {pin.file}: {size_words(pin.size_bytes)} are needed; {free_words(folder)}",
            str(folder),
            "Free space there, or name another place with WSLGPU_CACHE_DIR.",
        )


def all_failed(pin: SourcePin, failures: Sequence[tuple[str, WslgpuError]]) -> WslgpuError:
    """One error for all origins, of the gravest class among them."""
    reasons = "; ".join(f"from {label}: {error.what}" for label, error in failures)
    classes = [error.error_class for _, error in failures]
    gravest = next((kind for kind in _WORST if kind in classes), ErrorClass.PLATFORM)
    return WslgpuError(
        f"{pin.file} ({pin.name} {pin.version}) could not be had: {reasons}",
        "",
        "Where this machine has no way to it, bring the file in a folder: wslgpu sources fetch --from FOLDER.",
        gravest,
        gravest in (ErrorClass.NETWORK, ErrorClass.TIMEOUT),
    )


def copy_to(file: Path, pin: SourcePin, folder: Path) -> Path:
    """A copy of a fetched file in a folder, under the pin's name, for machines that have no network.

    :raises UsageError: another file of that name is there
    """
    target = folder / pin.file
    with named_trouble(f"copying {pin.file}", folder):
        folder.mkdir(parents=True, exist_ok=True)
        if target.exists():
            if sha256_of_file(target) == pin.sha256:
                return target
            step = "Move it away, or name another folder."
            raise UsageError(f"another {pin.file} is there already", str(target), step)
        temporary = target.with_name(f".{pin.file}.{os.getpid()}")
        try:
            shutil.copyfile(file, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return target


class Meter:
    """Says how far a transfer is, once a second at most."""

    def __init__(self, file: str, size_bytes: int, say: Callable[[str], None]) -> None:
        self.file, self.size_bytes, self.say = file, size_bytes, say
        self.said_at, self.said_bytes = time.monotonic(), 0

    def __call__(self, have: int) -> None:
        now = time.monotonic()
        passed = now - self.said_at
        if passed < SAY_EVERY_S:
            return
        rate = max(0, have - self.said_bytes) / passed
        self.say(f"{self.file}: {size_words(have)} of {size_words(self.size_bytes)}, {size_words(rate)} a second")
        self.said_at, self.said_bytes = now, have


def is_cached(pin: SourcePin) -> bool:
    """Whether the cache has a file under the pin's hash; it is not read for this."""
    with contextlib.suppress(DataError):
        return cached_place(pin).is_file()
    return False
