"""What a node says over its channel, and what a name on the command line could make of the channel's client."""

from __future__ import annotations

import json

import pytest

from wslgpu.check.support_script import COMMANDS, FILES_LIMIT, NAMES_LIMIT, split
from wslgpu.errors import UsageError
from wslgpu.probe.channels import LOCAL, parse_target
from wslgpu.probe.document import SCHEMA, View, parse
from wslgpu.probe.gather import send

NONCE = "ab" * 16
RUN = {"level": "quick", "view": "node", "interpreter": "sh", "started": 1, "duration_s": 1, "cpu_s": 1, "uid": 0}


@pytest.mark.parametrize("name", ["-oProxyCommand=id", "-F/dev/null", "a b", "a;id", "$(id)", "a\n-oX", "a%h", "", "é"])
@pytest.mark.parametrize(
    "form",
    ["{}", "ssh://{}", "ssh://u@{}", "ssh://{}@h", "docker://{}", "kubectl://{}/p", "kubectl://n/p/{}", "wsl://{}"],
)
def test_no_name_is_an_option_or_more_than_a_name(form: str, name: str) -> None:
    with pytest.raises(UsageError):
        parse_target(form.format(name))


def test_ssh_changes_nothing_on_this_machine() -> None:
    words = parse_target("ssh://ada@node:22").argv()
    for option in (
        "UpdateHostKeys=no",
        "PermitLocalCommand=no",
        "Tunnel=no",
        "StrictHostKeyChecking=yes",
        "ForwardAgent=no",
    ):
        assert words[words.index(option) - 1] == "-o"
    assert words[-3:] == ["--", "node", "sh -s"]


def test_a_node_cannot_say_that_its_document_is_redacted() -> None:
    claim = json.dumps({"schema": SCHEMA, "probe": RUN, "observations": {}, "redacted": True})
    (answer,) = send([LOCAL], {View.NODE: f"echo '{claim}'".encode()}, parse).answers
    assert answer.document is not None
    assert not answer.document.redacted


def mark(kind: str, name: str) -> str:
    return f"\n=== wslgpu-support {NONCE} {kind} {name} ===\n"


def test_pieces_that_nobody_asked_for_are_left_out() -> None:
    text = mark("file", "/etc/shadow") + "x" + mark("log", "../../etc/passwd") + "x" + mark("log", "failed units") + "y"
    _, pieces = split(text.encode(), NONCE)
    assert (pieces.files, pieces.logs) == ({}, {"failed units": "y"})


def test_files_and_names_are_so_many_at_most() -> None:
    text = mark("log", "names") + "\n".join(f"user{number}" for number in range(5000))
    text += "".join(f"{mark('file', f'/etc/cdi/{number}.yaml')}x" for number in range(FILES_LIMIT + 50))
    text += "".join(f"{mark('log', name)}x" for name in COMMANDS) + mark("log", "end")
    _, pieces = split(text.encode(), NONCE)
    assert len(pieces.names) == NAMES_LIMIT
    assert len(pieces.files) == FILES_LIMIT
    assert set(pieces.logs) == set(COMMANDS)
    assert pieces.whole
