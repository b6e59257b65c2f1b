"""The data directory, the site's certificate authorities and pip's configuration, in one round trip."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from pyinfra.api import StringCommand

from wslgpu.facts.node_shape import Mount, NodeShape, parse_mount
from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class Authority:
    """An installed certificate of the site.

    :param sha256: ``-`` where the file is gone and only its link is left
    :param trusted: it is linked in /etc/ssl/certs and stands in the bundle there, or the package that does this is
        not installed yet
    """

    sha256: str
    trusted: bool


@dataclass(frozen=True)
class BaseState:
    """
    :param data_dir: with its links resolved
    :param directory: mode, owner and kind of data_dir; kind ``none`` when there is nothing
    :param authorities: by file name
    :param pip_others: what /etc/pip.conf holds besides our lines, None when that is no text
    :param pip_sha256: of the whole of it, empty where there is none
    :param pip_mode: its mode and owner
    """

    data_dir: str = ""
    directory: tuple[str, str, str] = ("-", "-", "none")
    mounts: tuple[Mount, ...] = ()
    authorities: tuple[tuple[str, Authority], ...] = ()
    pip_others: str | None = ""
    pip_sha256: str = ""
    pip_mode: str = ""

    @property
    def shape(self) -> NodeShape:
        """As preflight's rules for file systems take it."""
        return NodeShape(mounts=self.mounts, data_dir=self.data_dir)


def parse_base_state(lines: list[str]) -> BaseState:
    """Read base_state.sh's output."""
    rows = [line.partition(" ")[::2] for line in lines]
    values = dict(rows)
    directory = values.get("directory", "").split(" ", 2)
    certificates = [value.split(" ", 2) for key, value in rows if key == "authority"]
    try:
        others: str | None = base64.b64decode(values.get("pip-others", ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        others = None
    return BaseState(
        data_dir=values.get("data-dir", ""),
        directory=(directory[0], directory[1], directory[2]) if len(directory) == 3 else ("-", "-", "none"),
        mounts=tuple(mount for key, value in rows if key == "mount" and (mount := parse_mount(value))),
        authorities=tuple((row[2], Authority(row[0], row[1] == "yes")) for row in certificates if len(row) == 3),
        pip_others=others,
        pip_sha256=values.get("pip-sha256", ""),
        pip_mode=values.get("pip", ""),
    )


class BaseStates(ScriptFact[BaseState]):
    """The node's :class:`BaseState`."""

    script_name = "base_state"

    @staticmethod
    def default() -> BaseState:
        return BaseState()

    def command(self, data_dir: str) -> StringCommand:  # type: ignore[override]
        return super().command(data_dir)

    def process(self, output: list[str]) -> BaseState:
        return parse_base_state(output)
