"""The wheels that wslgpu itself runs from on a node: those of requirements.txt that its own dependencies lead to.

requirements.txt serves Python 3.10 to 3.13 and development as well. What is needed is found as pip would: from the
project's dependencies on, by what each wheel says that it requires, with markers evaluated for the node's Python, not
for this one. pip fetches, by hash, wheels only, and nothing is run or built.
"""

from __future__ import annotations

import email.parser
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from wslgpu.build.access import Access
from wslgpu.bundle.index import REQUIREMENTS, Member
from wslgpu.bundle.work import Work
from wslgpu.errors import DataError, ErrorClass, WslgpuError
from wslgpu.host_files import sha256_of_file
from wslgpu.programs import run

PYTHONS = {"debian 12": "3.11", "debian 13": "3.13", "ubuntu 22.04": "3.10", "ubuntu 24.04": "3.12"}
"""What each distribution's python3 is."""
OLDEST_GLIBC = 35
"""2.35 is Ubuntu 22.04's: a wheel that runs there runs on all of them."""
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(OLDEST_GLIBC, 4, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
    "linux_x86_64",
)
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Pin:
    """One requirement of requirements.txt, with its hashes.

    :param text: as it stands there, in one line
    """

    requirement: Requirement
    text: str

    @property
    def name(self) -> str:
        return str(canonicalize_name(self.requirement.name))


def parse_requirements(text: str, where: str) -> list[Pin]:
    """The pins of a requirements file with hashes.

    :raises DataError: a line that is no pin with a hash
    """
    pins: list[Pin] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        plain, _, hashes = line.partition(" --hash=")
        try:
            requirement = Requirement(plain.strip())
        except InvalidRequirement as error:
            raise DataError(
                f"holds {line[:80]!r}, which is no requirement", where, "Make it anew: make lock."
            ) from error
        if not hashes:
            raise DataError(f"has no hash for {requirement.name}", where, "Make it anew: make lock.")
        pins.append(Pin(requirement, " ".join(line.split())))
    return pins


def environment_of(python: str, extra: str = "") -> dict[str, str]:
    """What markers are evaluated with: CPython of this version on Linux on x86-64.

    :param python: such as ``3.13``
    """
    return {
        **{key: str(value) for key, value in default_environment().items()},
        "extra": extra,
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def holds(requirement: Requirement, python: str, extras: Iterable[str] = ()) -> bool:
    """Whether a requirement applies to this Python, where these extras were asked for."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate(environment_of(python, extra)) for extra in ("", *extras))


def gather(
    pins: Sequence[Pin], direct: Sequence[str], pythons: Sequence[str], work: Work, access: Access
) -> list[Member]:
    """Fetch all wheels that the direct dependencies lead to, for each Python, and write their requirements file.

    :param direct: the project's own dependencies, as pyproject.toml has them
    :raises WslgpuError: pip cannot fetch one; or a wheel needs what requirements.txt does not have
    """
    used: dict[str, Pin] = {}
    members: dict[str, Member] = {}
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=work.folder) as name:
        folder = Path(name)
        for python in pythons:
            place = folder / python
            place.mkdir()
            for pin in _closure(pins, [Requirement(one) for one in direct], python, place, access):
                used[pin.text] = pin
            for wheel in sorted(place.glob("*.whl")):
                sha256 = sha256_of_file(wheel)
                work.keep(wheel, sha256)
                path = f"wheels/{wheel.name}"
                members[path] = Member(path=path, size_bytes=wheel.stat().st_size, sha256=sha256)
        content = "".join(f"{pin.text}\n" for pin in pins if pin.text in used).encode()
        file = folder / "requirements.txt"
        file.write_bytes(content)
        sha256 = sha256_of_file(file)
        work.keep(file, sha256)
        members[REQUIREMENTS] = Member(path=REQUIREMENTS, size_bytes=len(content), sha256=sha256)
    return list(members.values())


def _closure(pins: Sequence[Pin], direct: list[Requirement], python: str, folder: Path, access: Access) -> list[Pin]:
    """The pins that are needed, breadth first; their wheels lie in the folder then."""
    there = {pin.name: pin for pin in pins if holds(pin.requirement, python)}
    done: dict[tuple[str, str], None] = {}
    found: dict[str, Pin] = {}
    waiting = [one for one in direct if holds(one, python)]
    while waiting:
        new: list[Pin] = []
        asked: list[tuple[str, frozenset[str]]] = []
        for requirement in waiting:
            name = str(canonicalize_name(requirement.name))
            if name not in there:
                raise DataError(f"lacks {name}, which is needed on Python {python}", "requirements.txt", "make lock")
            fresh = {extra for extra in ("", *requirement.extras) if (name, extra) not in done}
            if not fresh:
                continue
            done |= {(name, extra): None for extra in fresh}
            asked.append((name, frozenset(requirement.extras)))
            if name not in found:
                found[name] = there[name]
                new.append(there[name])
        _download(new, python, folder, access)
        waiting = [one for name, extras in asked for one in _requires(folder, name) if holds(one, python, extras)]
    return list(found.values())


def _download(pins: Sequence[Pin], python: str, folder: Path, access: Access) -> None:
    if not pins:
        return
    asked = folder / "asked.txt"
    # the marker was evaluated for the node; pip would evaluate it for this Python
    asked.write_text("".join(f"{_unmarked(pin)}\n" for pin in pins), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--only-binary=:all:", "--require-hashes", "--implementation=cp", f"--python-version={python}"),
        *(f"--platform={platform}" for platform in PLATFORMS),
        *("--dest", str(folder), "--requirement", str(asked)),
    ]
    environment = {**access.environment(), **({"PIP_CERT": access.bundle()} if access.authorities else {})}
    result = run(command, timeout_s=TIMEOUT_S, check=False, env=environment)
    asked.unlink()
    if result.ok:
        return
    said = (
        " ".join(line for line in result.stderr.splitlines() if line.startswith("ERROR"))[-400:] or result.stderr[-400:]
    )
    if "DO NOT MATCH THE HASHES" in result.stderr:
        names = ", ".join(pin.name for pin in pins)
        raise WslgpuError(
            f"a wheel among {names} has another hash than requirements.txt says",
            "pip download",
            "Nothing was kept. A proxy or mirror alters it: try another.",
            ErrorClass.INTEGRITY,
        )
    if re.search(r"(?i)connection|timed out|resolve|unreachable|Max retries|No matching distribution", result.stderr):
        raise WslgpuError(
            f"pip cannot fetch them for Python {python}: {said}",
            "pip download",
            "Check the connection, the proxy and pip's own configuration, then run again; or --without wheels.",
            ErrorClass.NETWORK,
            True,
        )
    raise WslgpuError(f"pip cannot fetch them for Python {python}: {said}", "pip download", "See what pip says.")


def _unmarked(pin: Pin) -> str:
    requirement, separator, hashes = pin.text.partition(" --hash=")
    return f"{requirement.partition(';')[0].strip()}{separator}{hashes}"


def _requires(folder: Path, name: str) -> list[Requirement]:
    """What a wheel in the folder says that it needs."""
    wheel = next(path for path in sorted(folder.glob("*.whl")) if parse_wheel_filename(path.name)[0] == name)
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(entry for entry in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", entry))
        text = archive.read(metadata).decode("utf-8", "replace")
    headers = email.parser.HeaderParser().parsestr(text)
    return [Requirement(str(value)) for value in headers.get_all("Requires-Dist", [])]
