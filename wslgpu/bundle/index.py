"""What a bundle says of itself: its first member, ``index.json``, with path, size and sha256 of all that follows."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from wslgpu import __version__
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.lock.model import LOCK_NAME, Hex, ImageDigest
from wslgpu.pins import Strict

INDEX = "index.json"
INDEX_LIMIT_BYTES = 16 << 20
"""A bundle of all that is known has a few hundred kilobytes of index."""
BOOTSTRAP = "bootstrap.sh"
LOCK = LOCK_NAME
KINDS = ("packages", "images", "artifacts", "downloads", "sources", "wheels", "project")
"""What a bundle can be made without; each is a folder in it."""
REQUIREMENTS = "wheels/requirements.txt"
SCHEMA = 1
_AGAIN = "Copy it again from where it was made, or make it anew: wslgpu bundle make."


class Member(Strict):
    """One file of a bundle.

    :param program: it is to be run: mode 0755 instead of 0644
    """

    path: str
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Hex
    program: bool = False

    @field_validator("path")
    @classmethod
    def _plain(cls, value: str) -> str:
        parts = value.split("/")
        if value.startswith("/") or "" in parts or "." in parts or ".." in parts or not value.isprintable():
            raise ValueError(f"is no plain relative path: {value!r}")
        return value


class Index(Strict):
    """The whole of index.json.

    :param lock: digest of the lock that says what belongs into the bundle
    :param left_out: the kinds of ``KINDS`` that it was made without
    :param distributions: whose packages it has
    :param checksum: of the index's own text without it
    :param members: all files but index.json, in the order in which they follow it
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    kind: Literal["wslgpu-bundle"] = "wslgpu-bundle"
    tool_version: str
    lock: ImageDigest
    left_out: list[str] = []
    distributions: list[str] = []
    checksum: str = ""
    members: list[Member]

    @property
    def size_bytes(self) -> int:
        """Of all members together."""
        return sum(member.size_bytes for member in self.members)

    def by_path(self) -> dict[str, Member]:
        """The members by their path."""
        return {member.path: member for member in self.members}


def made(lock: str, members: list[Member], left_out: list[str], distributions: list[str]) -> Index:
    """An index as this version writes it: lock and bootstrap first, for who only wants to look at them."""
    first = (LOCK, BOOTSTRAP)
    ordered = sorted(members, key=lambda member: (member.path not in first, member.path))
    return Index(
        tool_version=__version__,
        lock=lock,
        left_out=sorted(left_out),
        distributions=sorted(distributions),
        members=ordered,
    )


def text(index: Index) -> bytes:
    """The same index gives the same bytes, with one line for each member; its checksum is that of the rest."""
    plain = _json(index.model_copy(update={"checksum": ""}))
    return _json(index.model_copy(update={"checksum": hashlib.sha256(plain).hexdigest()}))


def _json(index: Index) -> bytes:
    data = index.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    head = {"schema": SCHEMA, "kind": index.kind, **data}
    rows = ",\n  ".join(json.dumps(row, sort_keys=True) for row in head.pop("members"))
    top = json.dumps(head, indent=1, sort_keys=True).removesuffix("\n}")
    return f'{top},\n "members": [\n  {rows}\n ]\n}}\n'.encode()


def parse(content: bytes, where: str) -> Index:
    """Read an index.

    :raises WslgpuError: class integrity: it is none; class usage: of a newer wslgpu
    """
    try:
        data = json.loads(content)
        if not isinstance(data, dict) or data.get("kind") != "wslgpu-bundle":
            raise refused("is no bundle of wslgpu's: its first file says nothing of that", where)
        version = data.get("schema")
        if isinstance(version, int) and version > SCHEMA:
            raise WslgpuError(
                f"is of schema {version}, made by wslgpu {data.get('tool_version', 'of a later version')!s:.40}",
                where,
                "Upgrade wslgpu.",
                ErrorClass.USAGE,
            )
        index = Index.model_validate(data)
    except (ValueError, RecursionError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise refused(f"has an index that cannot be read ({said[:200]})", where) from error
    if text(index) != content:
        raise refused("has an index that was altered", where)
    paths = [member.path for member in index.members]
    own = next((member.sha256 for member in index.members if member.path == LOCK), "")
    if f"sha256:{own}" != index.lock:
        raise refused("has another lock in it than its index says", where)
    if doubled := sorted({path for path in paths if paths.count(path) > 1} if len(set(paths)) < len(paths) else ()):
        raise refused(f"names {doubled[0]} twice", where)
    return index


def refused(what: str, where: str) -> WslgpuError:
    """A bundle that is not what was made."""
    return WslgpuError(what, where, _AGAIN, ErrorClass.INTEGRITY)
