"""Asks a node and its cluster about the chain, all in one session, and reads the answers.

The probe's program comes first, whose observations count wherever it sees a thing already; after it, in the same
``sh``, ``scripts/kubectl.sh`` and ``scripts/chain.sh``.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

from wslgpu.kubernetes.chain_facts import ChainFacts, PodView
from wslgpu.kubernetes.chain_judge import judge
from wslgpu.kubernetes.chain_model import Chain
from wslgpu.kubernetes.kubectl import Answer, Kubectl, frames, script_text, session
from wslgpu.probe.document import Level, Observations
from wslgpu.probe.program import answer, payload

TIMEOUT_S = 120.0
_FOLDER = Path(__file__).parent


def ask_chain(kubectl: Kubectl) -> tuple[Observations, Mapping[str, Answer]]:
    """The probe's document and the chain's own pieces by label.

    :raises WslgpuError: the node cannot be reached, did not answer in time, or its answer is none
    """
    nonce = secrets.token_hex(16)
    # a kubeconfig that the user named is the probe's too
    named = f"KUBECONFIG={shlex.quote(kubectl.kubeconfig)}; export KUBECONFIG\n" if kubectl.kubeconfig else ""
    probe = payload(Level.QUICK, kubectl.target.view).decode("ascii")
    output = session(kubectl.target, f"{named}{probe}\n{kubectl.prelude(nonce)}{_chain()}", TIMEOUT_S)
    return answer(output, kubectl.target.name), dict(frames(output, nonce))


def follow(kubectl: Kubectl, versions: Mapping[str, str], pod: PodView | None = None) -> Chain:
    """Ask, and judge.

    :param versions: of the device plugin, those that the table knows (:mod:`wslgpu.kubernetes.plugin_version`)
    :param pod: what a pod saw that was started before
    """
    document, pieces = ask_chain(kubectl)
    return judge(ChainFacts(document, pieces, pod, versions))


def _chain() -> str:
    program = (_FOLDER / "node" / "cri_status.py").read_text(encoding="utf-8")
    return f"wslgpu_cri_program={shlex.quote(program)}\n{script_text(_FOLDER / 'scripts' / 'chain.sh')}"
