"""The probe through testinfra, and its judgement: what test_capabilities.py says of a node."""

from __future__ import annotations

import base64
import datetime
import functools
import time
from pathlib import Path

import pytest

from tests.node.support.node import Node
from wslgpu.catalogue.load import Catalogue, load_catalogue
from wslgpu.errors import WslgpuError
from wslgpu.probe.document import DocumentError, Level
from wslgpu.probe.program import TIMEOUT_S, answer, payload
from wslgpu.verdict.judge import judge_node
from wslgpu.verdict.model import NodeJudgement

CHUNK_CHARACTERS = 60_000
"""Of base64 per command: Linux takes no argument above 128 KiB (MAX_ARG_STRLEN), and ssh and sudo each quote it."""

_APPEND = 'printf %s "$2" >> "$1/probe"'
_RUN = 'base64 -d "$1/probe" | sh'


class NoAnswerError(Exception):
    """The probe did not come to its end; the text says why."""


def catalogue_of(config: pytest.Config) -> Catalogue:
    """The product's catalogue, with the site's folder of ``--catalogue`` over it.

    :raises pytest.UsageError: something in it is wrong, by file and line
    """
    try:
        return _catalogue(config.getoption("--catalogue"))
    except WslgpuError as error:
        raise pytest.UsageError(f"wslgpu: {error}") from error


@functools.cache
def _catalogue(folder: str | None) -> Catalogue:
    return load_catalogue(Path(folder) if folder else None)


def judgement_of(node: Node, name: str, level: Level, catalogue: Catalogue) -> NodeJudgement:
    """Probe the node and judge what it answers.

    testinfra has no standard input to give, so the program comes in pieces into a folder that is gone afterwards.

    :raises NoAnswerError: it did not answer
    """
    made = node.run("mktemp", "-d", "/tmp/wslgpu-probe.XXXXXXXX")
    folder = made.out.strip()
    if not made.said:
        raise NoAnswerError(f"no temporary folder can be made: {made}")
    try:
        text = base64.b64encode(payload(level)).decode()
        for start in range(0, len(text), CHUNK_CHARACTERS):
            piece = node.shell(_APPEND, folder, text[start : start + CHUNK_CHARACTERS])
            if not piece.ok:
                raise NoAnswerError(f"the probe cannot be sent: {piece}")
        said = node.shell(_RUN, folder, timeout_s=int(TIMEOUT_S[level]) + 20)
    finally:
        node.run("rm", "-rf", "--", folder)
    try:
        document = answer(said.out.encode(), name)
    except DocumentError as error:
        raise NoAnswerError(f"the probe did not answer: {error.what}; it {said}") from error
    document = document.model_copy(update={"received": time.time()})
    return judge_node(name, document, catalogue, today=datetime.datetime.now(datetime.timezone.utc).date())
