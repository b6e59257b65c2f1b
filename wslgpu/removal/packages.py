"""Which packages may go: none that something else which stays needs or recommends. Pure, from what dpkg said.

Computed here and not by ``apt-get autoremove``, whose answer depends on the node's own apt settings, and which would
take packages along that wslgpu never brought.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from wslgpu.manifest.state import InstalledPackage

GONE = ("config-files", "not-installed")
"""dpkg's states of a package of which no program is there."""
_NAME = re.compile(r"^[a-z0-9][a-z0-9+.-]*")


def groups(field: str) -> Iterator[tuple[str, ...]]:
    """The alternatives of each dependency of a field such as ``Depends``: ``a (>= 1), b | c:any`` -> (a), (b, c)."""
    for group in field.split(","):
        names = tuple(match[0] for part in group.split("|") if (match := _NAME.match(part.strip())))
        if names:
            yield names


def there(packages: Mapping[str, InstalledPackage]) -> dict[str, InstalledPackage]:
    """Those of which something is installed."""
    return {name: package for name, package in packages.items() if package.status not in GONE}


def kept_by(going: Collection[str], packages: Mapping[str, InstalledPackage]) -> dict[str, str]:
    """Which of the packages that are to go must stay, each with the one that keeps it.

    A package stays where one that stays needs it, or one that is not ours recommends it, and nothing else that stays
    is the alternative. What keeps a package may itself be one that stays only for another's sake.

    :param packages: all of dpkg's, by name, with or without the architecture (``libc6:i386``)
    """
    installed = there(packages)
    suppliers: dict[str, set[str]] = {}
    for name, package in installed.items():
        suppliers.setdefault(_plain(name), set()).add(name)
        for provided in groups(package.provides):
            suppliers.setdefault(provided[0], set()).add(name)
    left = {name for name in going if name in installed}
    kept: dict[str, str] = {}
    while True:
        found: dict[str, str] = {}
        for name, package in installed.items():
            if name in left:
                continue
            recommended = package.recommends if name not in going else ""
            for alternatives in (*groups(package.depends), *groups(recommended)):
                having = {one for alternative in alternatives for one in suppliers.get(alternative, ())}
                if having and having <= left:
                    found.update(dict.fromkeys(having - found.keys(), name))
        if not found:
            return kept
        kept.update(found)
        left -= found.keys()


def _plain(name: str) -> str:
    return name.partition(":")[0]
