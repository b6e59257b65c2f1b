"""apt's sources, keys and choices."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from tests.node.support.node import Node

_VERSION_ROW = re.compile(r"^ (?:\*\*\*|   ) (?P<version>\S+) (?P<priority>-?\d+)")


@dataclass(frozen=True)
class Policy:
    """What ``apt-cache policy`` says of one package.

    :param priorities: version -> priority
    """

    installed: str = ""
    candidate: str = ""
    priorities: dict[str, int] = field(default_factory=dict)


def policy(node: Node, package: str) -> Policy:
    """apt's own choice for a package."""
    answer = node.run("apt-cache", "policy", package, timeout_s=60)
    assert answer.ok, f"apt-cache does not answer: {answer}"
    return parse_policy(answer.out)


def parse_policy(text: str) -> Policy:
    """Read ``apt-cache policy PACKAGE``."""
    values = {"Installed": "", "Candidate": ""}
    priorities: dict[str, int] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(": ")
        if key in values and value != "(none)":
            values[key] = value
        if row := _VERSION_ROW.match(line):
            priorities[row["version"]] = int(row["priority"])
    return Policy(values["Installed"], values["Candidate"], priorities)


def deb822(text: str) -> list[dict[str, str]]:
    """The stanzas of a .sources file; keys in lower case, continuation lines joined."""
    stanzas: list[dict[str, str]] = [{}]
    key = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            stanzas.append({})
        elif line[0] in " \t":
            stanzas[-1][key] = f"{stanzas[-1].get(key, '')} {line.strip()}".strip()
        else:
            key, _, value = line.partition(":")
            key = key.strip().lower()
            stanzas[-1][key] = value.strip()
    return [stanza for stanza in stanzas if stanza]


def files_naming(node: Node, uri: str) -> list[str]:
    """The files of apt's sources with a line, not a comment, that names an address."""
    program = 'grep -rlE "^[^#]*$1" /etc/apt/sources.list /etc/apt/sources.list.d; test -d /etc/apt/sources.list.d'
    answer = node.shell(program, re.escape(uri))
    assert answer.ok, "/etc/apt/sources.list.d is not there"
    return sorted(path for path in answer.lines if path.endswith((".list", ".sources")))


def fingerprints(node: Node, keyring: str) -> list[str]:
    """The fingerprints of the primary keys in a keyring."""
    # a home of its own: gpg would make root's otherwise
    program = 'home=$(mktemp -d); gpg --batch --homedir "$home" --show-keys --with-colons "$1"; rc=$?; rm -r "$home"'
    program += '; exit "$rc"'
    answer = node.shell(program, keyring)
    rows = [line.split(":") for line in answer.lines]
    found = [row[9] for before, row in itertools.pairwise(rows) if before[0] == "pub" and row[0] == "fpr"]
    assert found or answer.ok, f"gpg cannot read {keyring}: {answer}"
    return found
