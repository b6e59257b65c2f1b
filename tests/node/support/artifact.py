"""An artifact below /opt/wslgpu as the node shows it, held against this machine's store where that has it."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from functools import cache

from pydantic import ValidationError

from tests.node.support.checks import not_applicable, unknown
from tests.node.support.node import Answer, Node
from wslgpu.artifact_choice import Choice, archive_of, choose
from wslgpu.build.record import PREFIX_ROOT, ArtifactRecord
from wslgpu.errors import WslgpuError
from wslgpu.settings import Settings

ENDED = "wslgpu-ended "
LD_SO = ("/lib64/ld-linux-x86-64.so.2", "--list")
"""Loads a program or library as ld.so would, and names what it links."""
_LISTING = r"""
cd "$1" || exit 1
find . -path ./.wslgpu -prune -o -type f -print0 | xargs -0 -r sha256sum | sed 's,^,file ,'
find . -path ./.wslgpu -prune -o -type l -printf 'link %l %p\n'
find . -path ./.wslgpu -prune -o ! -type f ! -type d ! -type l -printf 'special - %p\n'
find . ! -type l '(' ! -user root -o ! -group root -o -perm /6022 ')' -printf 'open %m:%u %p\n'
"""


@dataclass(frozen=True)
class Installed:
    """What ``current`` points at.

    :param folder: as it stands in the link
    :param record: of its own folder; None where that cannot be read
    """

    artifact: str
    folder: str
    record: ArtifactRecord | None

    @property
    def prefix(self) -> str:
        return f"{PREFIX_ROOT}/{self.artifact}/{self.folder}"


def current_path(artifact: str) -> str:
    return f"{PREFIX_ROOT}/{artifact}/current"


def installed(node: Node, artifact: str) -> Installed | None:
    """The artifact in use; None where none is."""
    link = node.run("readlink", "--", current_path(artifact))
    if not link.ok or not node.run("test", "-d", current_path(artifact)).ok:
        return None
    text = node.run("cat", "--", f"{current_path(artifact)}/.wslgpu/record.json")
    try:
        record = ArtifactRecord.model_validate_json(text.out)
    except ValidationError:
        record = None
    return Installed(artifact, link.out.strip(), record)


def wanted(settings: Settings, artifact: str) -> Choice:
    """What the data asks for, as far as this machine's store knows it."""
    try:
        return choose(settings, artifact)
    except WslgpuError as error:
        return unknown(f"the store of this machine cannot be read: {error}")


def require_installed(node: Node, settings: Settings, artifact: str, check_id: str) -> Installed:
    """End the check where there is nothing to look at: the data wants none, or another check says so."""
    choice = wanted(settings, artifact)
    if choice.install == "absent":
        not_applicable(f"the data asks for no {artifact}")
    found = installed(node, artifact)
    if found is not None:
        return found
    if choice.install == "auto" and choice.record is None:
        not_applicable(f"none is installed, and {choice.missing}")
    return unknown(f"{artifact} is not installed ({check_id})")


def require_record(found: Installed, check_id: str) -> ArtifactRecord:
    """Its record, or the end of the check."""
    return found.record or unknown(f"the record of {found.folder} cannot be read ({check_id})")


def should_be_installed(node: Node, settings: Settings, artifact: str) -> None:
    """Assert what the check ARTIFACT.installed is about."""
    choice = wanted(settings, artifact)
    if choice.install == "absent":
        not_applicable(f"the data asks for no {artifact}")
    found = installed(node, artifact)
    if found is None and choice.install == "auto" and choice.record is None:
        not_applicable(f"none is installed, and {choice.missing}")
    assert found is not None, f"{current_path(artifact)} leads to no {artifact}"


def should_be_absent(node: Node, settings: Settings, artifact: str) -> None:
    """Assert that nothing of an artifact is left where the data asks for none."""
    if wanted(settings, artifact).install != "absent":
        not_applicable(f"the data does not ask for {artifact} to be away")
    assert node.run("test", "-d", "/opt").ok, "/opt is not there"
    assert not node.exists(f"{PREFIX_ROOT}/{artifact}"), f"{PREFIX_ROOT}/{artifact} is still there"


def should_be_the_version(settings: Settings, found: Installed) -> None:
    """Assert that ``current`` is what the data asks for."""
    choice = wanted(settings, found.artifact)
    assert found.record is not None, f"{found.prefix}/.wslgpu/record.json is no record of an artifact"
    record = found.record
    assert record.folder == found.folder, f"current points at {found.folder}, which holds {record.name}"
    if choice.digest:
        assert record.digest == choice.digest, (
            f"{record.name} is {record.digest}, and the data asks for {choice.digest}"
        )
        return
    assert record.build == choice.build, (
        f"{record.name} was built as {record.build}, and the data asks for {choice.build}"
    )
    if choice.record is not None:
        name = choice.record.name
        assert record.digest == choice.record.digest, f"{record.name} is in use, and the data and the store say {name}"


def differences(node: Node, found: Installed) -> list[str]:
    """What of an artifact's files is not as the archive has it, one line each; empty where all is.

    The archive is that of this machine's store; where that has it no more, the list that lies with the files.
    """
    answer = node.shell(_LISTING, found.prefix, timeout_s=120)
    assert answer.ok, f"{found.prefix} cannot be read: {answer}"
    present: dict[str, str] = {}
    odd: list[str] = []
    for line in answer.lines:
        kind, value, path = [*line.split(None, 2), "", ""][:3]
        if kind == "open":
            odd.append(f"{path}: mode and owner {value}, so that others than root may change it")
        else:
            present[path.removeprefix("./")] = f"{kind} {value}"
    expected = _of_store(found.record) or _of_node(node, found)
    odd += [f"{path} is missing" for path in sorted(set(expected) - set(present))]
    odd += [f"{path} is no part of it" for path in sorted(set(present) - set(expected))]
    odd += [f"{path} was changed" for path in sorted(expected) if present.get(path, expected[path]) != expected[path]]
    return odd


@cache
def _of_archive(path: str) -> dict[str, str]:
    members: dict[str, str] = {}
    with tarfile.open(path, mode="r:", encoding="utf-8") as tar:
        for member in tar:
            if member.issym():
                members[member.name] = f"link {member.linkname}"
            elif member.isreg() and (content := tar.extractfile(member)) is not None:
                digest = hashlib.sha256()
                while block := content.read(1 << 20):
                    digest.update(block)
                members[member.name] = f"file {digest.hexdigest()}"
    return members


def _of_store(record: ArtifactRecord | None) -> dict[str, str]:
    """Files and links by path; empty where the store has no such archive."""
    try:
        return _of_archive(str(archive_of(record))) if record else {}
    except WslgpuError:
        return {}


def _of_node(node: Node, found: Installed) -> dict[str, str]:
    lines = node.read(f"{found.prefix}/.wslgpu/files.sha256").splitlines()
    members = {
        path.removeprefix("./"): f"file {digest}" for digest, _, path in (line.partition("  ") for line in lines)
    }
    for line in node.read(f"{found.prefix}/.wslgpu/tree").splitlines():
        kind, _, _, target, path = [*line.split(" ", 4), "", "", "", ""][:5]
        if kind == "l":
            members[path.removeprefix("./")] = f"link {target}"
    assert members, f"{found.prefix}/.wslgpu/files.sha256 is empty"
    return members


def ended(node: Node, *command: str, timeout_s: int = 30) -> Answer:
    """Run what may crash or hang: its own exit status, a signal as 128 and more, and both its streams together.

    Through a shell, since ssh itself would end with the program's signal and look like a lost connection.
    """
    program = f'timeout -k 2 {timeout_s} "$@" 2>&1; echo "{ENDED}$?"'
    answer = node.shell(program, *command, timeout_s=timeout_s + 10)
    text, mark, code = answer.out.rpartition(ENDED)
    assert mark, f"{command[0]} was not run to its end: {answer}"
    return Answer(int(code.strip() or 255), text, "")


def unresolved(node: Node, path: str) -> list[str]:
    """The libraries that ld.so does not find for a program or library of an artifact."""
    answer = ended(node, *LD_SO, path)
    if "statically linked" in answer.out:
        return []
    assert answer.ok, f"ld.so cannot load {path}: {answer}"
    return [line.split()[0] for line in answer.lines if "not found" in line]
