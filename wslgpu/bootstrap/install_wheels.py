"""``install_wheels.py --project P --wheels W``: make P/.venv from a folder of wheels, without pip or a network.

A distribution's python3 has ``venv`` but often no ``ensurepip``. Unpacking wheels needs neither: what fits this Python
is chosen by the library ``packaging``, which is among them and is read out of its own wheel once its hash is known to
be right. Only what the project needs is installed, and only files whose sha256 stands in requirements.txt.

Standard library only, beside that; Python 3.10 to 3.13. Wheels: https://packaging.python.org/specifications/binary-distribution-format/
"""

from __future__ import annotations

import argparse
import configparser
import email.parser
import hashlib
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

MARKER = "wslgpu-installed-from-wheels"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_LAUNCHER = """\
#!{python}
import sys
from {module} import {name}
sys.exit({call}())
"""


class RefusedError(Exception):
    """Something about the wheels is wrong: one sentence, and what to do."""


@dataclass(frozen=True)
class Pin:
    """A line of requirements.txt.

    :param marker: for which Pythons and systems it is, as an environment marker; empty for all
    """

    marker: str
    hashes: frozenset[str]


@dataclass(frozen=True)
class Wheel:
    """A wheel of the folder that this Python can use.

    :param rank: place of its best tag in what this Python can use; 0 is best
    """

    name: str
    version: str
    path: Path
    rank: int

    def metadata(self) -> Any:
        """The headers of its METADATA."""
        with zipfile.ZipFile(self.path) as archive:
            name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
            return email.parser.HeaderParser().parsestr(archive.read(name).decode())


def read_pins(requirements: str) -> dict[str, Pin]:
    """The pins of requirements.txt by ``name==version``; a line goes on after a backslash."""
    found: dict[str, Pin] = {}
    for line in requirements.replace("\\\n", " ").splitlines():
        pin = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;(.*?))?\s*(?=--hash|$)", line)
        if pin:
            found[f"{normalised(pin[1])}=={pin[2]}"] = Pin((pin[3] or "").strip(), frozenset(_HASH.findall(line)))
    return found


def normalised(name: str) -> str:
    """A package's name as it is compared: https://packaging.python.org/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _identity(path: Path) -> tuple[str, str]:
    name, version = path.name.split("-")[:2]
    return normalised(name), version


def checked(path: Path, pins: dict[str, Pin]) -> Path:
    """The wheel itself.

    :raises RefusedError: its sha256 is not one of requirements.txt
    """
    name, version = _identity(path)
    pin = pins.get(f"{name}=={version}")
    if pin is None or sha256_of(path) not in pin.hashes:
        raise RefusedError(
            f"{path}: requirements.txt has no such sha256 for {name}=={version}. Unpack the bundle anew."
        )
    return path


def load_packaging(wheels: Path, pins: dict[str, Pin]) -> None:
    """Make ``import packaging`` read its wheel."""
    found = sorted(wheels.glob("packaging-*.whl"))
    if not found:
        raise RefusedError(f"{wheels} has no wheel of packaging. Unpack the bundle anew.")
    sys.path.insert(0, str(checked(found[-1], pins)))


def fitting(wheels: Path, pins: dict[str, Pin]) -> dict[str, Wheel]:
    """The wheel of each package that requirements.txt wants here and that fits this Python best, by name."""
    from packaging.markers import Marker
    from packaging.tags import sys_tags
    from packaging.utils import parse_wheel_filename

    ranks = {tag: rank for rank, tag in enumerate(sys_tags())}
    best: dict[str, Wheel] = {}
    for path in sorted(wheels.glob("*.whl")):
        tags = parse_wheel_filename(path.name)[3]
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        name, version = _identity(path)
        pin = pins.get(f"{name}=={version}")
        if pin is None or (pin.marker and not Marker(pin.marker).evaluate()):
            continue
        if rank is not None and (name not in best or rank < best[name].rank):
            best[name] = Wheel(name, version, path, rank)
    return best


def needed(project: Path, there: dict[str, Wheel]) -> list[Wheel]:
    """The wheels of the project's dependencies and of theirs, by name.

    :raises RefusedError: one is missing, or of another version than a package asks for
    """
    from packaging.requirements import Requirement

    waiting = [(Requirement(text), "", "wslgpu") for text in direct_dependencies(project / "pyproject.toml")]
    found: dict[str, Wheel] = {}
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra, asker = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = normalised(requirement.name)
        wheel = there.get(name)
        if wheel is None or not requirement.specifier.contains(wheel.version, prereleases=True):
            raise RefusedError(
                f"no wheel of {requirement.name}{requirement.specifier} for Python {sys.version.split()[0]}, which"
                f" {asker} needs. Make a bundle for this distribution: wslgpu bundle make."
            )
        found[name] = wheel
        for wanted in ("", *sorted(requirement.extras)):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                lines = wheel.metadata().get_all("Requires-Dist") or []
                waiting += [(Requirement(line), wanted, name) for line in lines]
    return [found[name] for name in sorted(found)]


def direct_dependencies(pyproject: Path) -> list[str]:
    """The list ``dependencies`` of pyproject.toml; Python 3.10 cannot read TOML, and the list is plain strings."""
    listed = re.search(
        r"^dependencies = \[\n(.*?)^\]$", pyproject.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    if listed is None:
        raise RefusedError(f"{pyproject} has no list of dependencies. Unpack the bundle anew.")
    return re.findall(r'^\s*"([^"]+)",?$', listed[1], re.MULTILINE)


def unpack(wheel: Wheel, environment: Path, site: Path, python: Path) -> None:
    """Put a wheel's files where they belong, with launchers for its console scripts.

    :param python: what launchers name: the environment's own, where it will be in the end
    :raises RefusedError: a name in the wheel that leads elsewhere
    """
    with zipfile.ZipFile(wheel.path) as archive:
        for member in archive.infolist():
            parts = PurePosixPath(member.filename).parts
            if member.is_dir():
                continue
            if member.filename.startswith("/") or ".." in parts:
                raise RefusedError(
                    f"{wheel.path}: {member.filename} leads out of the environment. Do not use this bundle."
                )
            target, data = _place(parts, environment, site), archive.read(member)
            if target.parent == environment / "bin" and re.match(rb"#!python\w*\r?\n", data):
                data = b"#!%s\n" % bytes(python) + data.partition(b"\n")[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            executable = member.external_attr >> 16 & 0o111 or target.parent == environment / "bin"
            target.chmod(0o755 if executable else 0o644)
            if re.fullmatch(r"[^/]+\.dist-info/entry_points\.txt", member.filename):
                _launchers(data.decode(), environment / "bin", python)


def _place(parts: tuple[str, ...], environment: Path, site: Path) -> Path:
    if parts[0].endswith(".data") and len(parts) > 2:
        kind, rest = parts[1], parts[2:]
        roots = {"purelib": site, "platlib": site, "scripts": environment / "bin", "data": environment}
        return roots.get(kind, environment / "include").joinpath(*rest)
    return site.joinpath(*parts)


def _launchers(text: str, folder: Path, python: Path) -> None:
    entries = configparser.ConfigParser(delimiters=("=",))
    entries.optionxform = str  # type: ignore[assignment,method-assign]  # names of scripts keep their case
    entries.read_string(text)
    for name, entry in entries.items("console_scripts") if entries.has_section("console_scripts") else ():
        module, _, call = entry.partition("[")[0].strip().partition(":")
        launcher = folder / name
        launcher.write_text(_LAUNCHER.format(python=python, module=module, name=call.partition(".")[0], call=call))
        launcher.chmod(0o755)


def install(project: Path, wheels: Path) -> str:
    """Make ``project``/.venv, whole or not at all. What it says is for people.

    :raises RefusedError: a wheel is missing or not of the project
    """
    requirements = (project / "requirements.txt").read_text(encoding="utf-8")
    pins = read_pins(requirements)
    load_packaging(wheels, pins)
    chosen = needed(project, fitting(wheels, pins))
    final = project / ".venv"
    state = "\n".join([str(final), sys.version, *(checked(wheel.path, pins).name for wheel in chosen), ""])
    marker = final / MARKER
    if marker.exists() and marker.read_text(encoding="utf-8") == state:
        return f"{final} is there already"
    new = project / ".venv.new"
    shutil.rmtree(new, ignore_errors=True)
    venv.EnvBuilder(symlinks=True, with_pip=False).create(new)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = new / "lib" / version / "site-packages"
    for wheel in chosen:
        unpack(wheel, new, site, final / "bin" / "python")
    # as scripts/setup.sh has it: the project is used where it stands
    (site / "wslgpu.pth").write_text(f"{project}\n", encoding="utf-8")
    command = new / "bin" / "wslgpu"
    command.write_text(f'#!/bin/sh\nexec "{final}/bin/python" -m wslgpu.cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    (new / MARKER).write_text(state, encoding="utf-8")
    _try(new / "bin" / "python", project)
    shutil.rmtree(final, ignore_errors=True)
    new.rename(final)
    return f"{final} has {len(chosen)} packages"


def _try(python: Path, project: Path) -> None:
    """Whether the command starts; in the project's folder, since Python looks into the current one first."""
    command = [str(python), "-m", "wslgpu.cli", "--version"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "it says nothing").splitlines()[-1]
        raise RefusedError(f"{project}: wslgpu does not start from these wheels ({last}). Make the bundle anew.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a project's .venv from a folder of wheels, by hash.")
    parser.add_argument("--project", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--wheels", type=lambda text: Path(text).resolve(), required=True)
    words = parser.parse_args()
    try:
        print(f"== wheels: {install(words.project, words.wheels)}", flush=True)
    except RefusedError as error:
        print(f"wslgpu bootstrap: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"wslgpu bootstrap: {error}. Make room or mend what it names, and run it again.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
