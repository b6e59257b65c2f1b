"""The places that a pinned file may come from. Each brings a file that nobody has compared yet."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build import distribution
from wslgpu.build.access import Access
from wslgpu.build.download import Limits, download, too_long
from wslgpu.build.errors import size_words
from wslgpu.build.pins import DebianOrigin, PythonOrigin, SourcePin
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.programs import run

PIP_TIMEOUT_S = 900


@dataclass(frozen=True)
class Request:
    """What is asked of an origin.

    :param partial: kept from call to call, for origins that can go on where they broke off
    :param incoming: an empty folder for everything else
    """

    pin: SourcePin
    partial: Path
    incoming: Path
    access: Access
    limits: Limits
    progress: Callable[[str], None]
    meter: Callable[[int], None]


@dataclass(frozen=True)
class Origin:
    """A place.

    :param label: what it is called in messages
    :param bring: gives the file that came, in one of the request's two places
    :param again: whether a file of the wrong hash may be a transfer's fault
    """

    label: str
    bring: Callable[[Request], Path]
    again: bool = False


def origins(pin: SourcePin, folders: Sequence[Path]) -> Iterator[Origin]:
    """The places of a pin, in the order to try them: folders of the user's, addresses, distribution, package index."""
    for folder in folders:
        yield Origin(f"folder {folder}", _from_folder(folder))
    for url in pin.urls:
        yield Origin(url, _from_url(url), again=True)
    if pin.debian:
        yield Origin(
            f"Debian {pin.debian.release}, {pin.debian.kind} package {pin.debian.package}", _from_debian(pin.debian)
        )
    if pin.python:
        yield Origin(f"Python package {pin.python.package}", _from_python(pin.python))


def _from_folder(folder: Path) -> Callable[[Request], Path]:
    def bring(request: Request) -> Path:
        pin = request.pin
        if not folder.is_dir():
            raise WslgpuError("there is no such folder", str(folder), "Mount it, or name another.", ErrorClass.USAGE)
        # as people put it there, or as it lies in a cache
        places = (folder / pin.file, folder / "sha256" / pin.sha256 / pin.file)
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise WslgpuError(f"has no {pin.file}", str(folder), "Put it there.")
        try:
            if (have := file.stat().st_size) > pin.size_bytes:
                raise too_long(str(file), have, pin.size_bytes)
            source = file.open("rb")
        except OSError as error:
            raise WslgpuError(f"cannot be read: {error.strerror}", str(file), "Let this user read it.") from error
        target = request.incoming / pin.file
        with source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        return target

    return bring


def _from_url(url: str) -> Callable[[Request], Path]:
    def bring(request: Request) -> Path:
        download(
            url,
            request.partial,
            request.pin.size_bytes,
            access=request.access,
            limits=request.limits,
            progress=request.meter,
        )
        return request.partial

    return bring


def _from_debian(origin: DebianOrigin) -> Callable[[Request], Path]:
    def bring(request: Request) -> Path:
        pin, release, package = request.pin, origin.release, origin.package
        found = distribution.find(release, package, origin.kind, access=request.access, progress=request.progress)
        if not any(file.sha256 == pin.sha256 for file in found):
            # the list may be older than the pin
            found = distribution.find(release, package, origin.kind, access=request.access, max_age_s=60)
        same = next((file for file in found if file.sha256 == pin.sha256), None)
        if same is None:
            raise WslgpuError(
                f"{release} has no such file: {_now(found, package)}",
                f"{release}/{package}",
                "The archive drops what was superseded: `wslgpu sources row` prints a row for what it has now.",
            )
        if same.size_bytes > pin.size_bytes:
            raise too_long(same.uri, same.size_bytes, pin.size_bytes)
        request.progress(f"{same.file}: {size_words(same.size_bytes)} from Debian's archive")
        target = request.incoming / pin.file
        distribution.download(same, target, access=request.access)
        return target

    return bring


def _now(found: Sequence[distribution.FoundFile], package: str) -> str:
    versions = list(dict.fromkeys(file.version for file in found))
    return f"it has version {', '.join(versions)} of {package} now" if versions else f"there is no package {package}"


def _from_python(origin: PythonOrigin) -> Callable[[Request], Path]:
    """By pip, which compares the hash before it looks into the file: an sdist's own code runs for its metadata."""

    def bring(request: Request) -> Path:
        pin = request.pin
        wanted = request.incoming / "requirements.txt"
        wanted.write_text(f"{origin.package}=={pin.version} --hash=sha256:{pin.sha256}\n")
        form = "--only-binary" if pin.file.endswith(".whl") else "--no-binary"
        came = request.incoming / "came"
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        words += ["--no-deps", "--require-hashes", form, ":all:", "--retries", "2", "--dest", str(came)]
        env = {**request.access.environment(), "PIP_CERT": request.access.bundle()}
        result = run([*words, "-r", wanted], timeout_s=PIP_TIMEOUT_S, env=env, check=False)
        files = list(came.iterdir()) if came.is_dir() else []
        if not result.ok or len(files) != 1:
            raise pip_error(result.stderr, f"{origin.package}=={pin.version}")
        if (have := files[0].stat().st_size) > pin.size_bytes:
            raise too_long(files[0].name, have, pin.size_bytes)
        return files[0]

    return bring


def pip_error(said: str, where: str) -> WslgpuError:
    """The error for what pip says."""
    if match := re.search(r"Expected sha256 (\w+)\s+Got\s+(\w+)", said):
        what = f"has sha256 {match[2]}, and the pin says {match[1]}"
        return WslgpuError(what, where, "Look which of the two is right.", ErrorClass.INTEGRITY)
    if "CERTIFICATE_VERIFY_FAILED" in said or "SSLError" in said:
        step = "Behind a proxy that opens TLS, name the company's CA as ca_file in site.yml."
        return WslgpuError("the TLS connection cannot be trusted", where, step, ErrorClass.INTEGRITY)
    if "resolve" in said or "Name or service not known" in said or "name resolution" in said:
        return WslgpuError("DNS gives no address for the package index", where, "Check DNS.", ErrorClass.NETWORK, True)
    if "Connection" in said or "timed out" in said or "ProxyError" in said or "NewConnectionError" in said:
        return WslgpuError("the package index cannot be reached", where, "Run again later.", ErrorClass.NETWORK, True)
    if "No module named pip" in said:
        return WslgpuError("pip is not there", sys.executable, "python -m ensurepip")
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    last = re.sub(r"\S+://\S+", "", errors[-1].removeprefix("ERROR: ")) if errors else "pip said nothing of use"
    return WslgpuError(last, where, "Look whether the index that pip is set up for has it.")
