"""Puts workloads on a cluster: checked, tried by the server, applied whole, and waited for.

What is there and not ours is never overwritten; what was edited by hand is put back only when that is asked for; and an
end half-way says what is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.kubernetes.check_model import Judgement, Verdict
from wslgpu.kubernetes.cluster_facts import PLUGIN
from wslgpu.kubernetes.drift import State, marked
from wslgpu.kubernetes.kubectl import Answer, Kubectl, Request
from wslgpu.kubernetes.plan import Document, Planned, refusals
from wslgpu.kubernetes.restore import forget
from wslgpu.kubernetes.wait import Waited, wait_for, wait_for_gpus
from wslgpu.kubernetes.wait_judge import KINDS
from wslgpu.workloads.manifest import Identity, identity, images

Say = Callable[[str], None]
FIELD_MANAGER = "wslgpu"
_APPLIED = (State.MISSING, State.CHANGED, State.EDITED)


class ApplyError(WslgpuError):
    """Nothing, or not all, was applied."""


@dataclass(frozen=True)
class Applied:
    """The end of one apply.

    :param done: of each object: created, configured, applied, unchanged, or found (another's, and right)
    :param waited: how far what was applied came; None when nobody waited
    """

    done: dict[str, str] = field(default_factory=dict)
    waited: Waited | None = None

    def as_json(self) -> dict[str, Any]:
        return {"objects": self.done, "waited": self.waited.as_json() if self.waited else None}


def require_applicable(plans: Sequence[Planned], *, force: bool, restore: bool) -> None:
    """Refuse what cannot run, what is not ours, what was edited, and what a person should decide.

    :raises ApplyError: with class platform (cannot run), or safety (something would be overwritten or exposed)
    """
    refused = refusals(plans)
    if refused:
        safety = all(one.id == "foreign" for one in refused)
        raise ApplyError(
            "; ".join(one.what for one in refused),
            "nothing was applied",
            " ".join(dict.fromkeys(one.next_step for one in refused if one.next_step)),
            ErrorClass.SAFETY if safety else ErrorClass.PLATFORM,
        )
    edited = [one for plan in plans for one in plan.drifts if one.state is State.EDITED]
    if edited and not restore:
        fields = "; ".join(f"{one.who}: {', '.join(map(str, one.edited[:4]))}" for one in edited)
        raise ApplyError(
            f"edited on the cluster by hand, or last applied by somebody else: {fields}",
            "nothing was applied",
            "Take the change over into site.yml, or put it back with --restore.",
            ErrorClass.SAFETY,
        )
    warnings = [one for plan in plans for one in plan.of(Verdict.WARNING)]
    if warnings and not force:
        raise ApplyError(
            "; ".join(one.what for one in warnings),
            "nothing was applied",
            f"{' '.join(dict.fromkeys(one.next_step for one in warnings))} Or apply it so with --force.",
            ErrorClass.SAFETY,
        )


def apply_plans(kubectl: Kubectl, plans: Sequence[Planned], say: Say, *, wait_s: float) -> Applied:
    """Apply what is not as it should be, and wait.

    :param wait_s: for all of it to be ready; 0: do not wait
    :raises ApplyError: the server refuses something, and what was applied before it stands in the message
    """
    done: dict[str, str] = {}
    todo: list[Document] = []
    puts_back: list[Request] = []
    for plan in plans:
        for document, live, one in zip(plan.documents, plan.live, plan.drifts, strict=True):
            if one.state in _APPLIED:
                todo.append(document)
                if one.state is State.EDITED and live is not None and (request := forget(document, live)):
                    puts_back.append(request)
            else:
                done[str(one.who)] = "found" if one.state is State.FOREIGN_SAME else "unchanged"
    # what lives in a namespace can be tried by the server only once that is there
    first = [document for document in todo if document.get("kind") == "Namespace"]
    rest = [document for document in todo if document.get("kind") != "Namespace"]
    for stage in (first, rest):
        if stage:
            _try(kubectl, stage, done)
            if puts_back and stage is rest:
                _all_well(kubectl.ask(*puts_back), done)
            done |= _apply(kubectl, stage, done)
            for document in stage:
                say(f"{identity(document)} {done[str(identity(document))]}")
    waiting = [identity(document) for plan in plans for document in plan.documents if document.get("kind") in KINDS]
    if not waiting or wait_s <= 0:
        return Applied(done)
    waited = wait_for(kubectl, waiting, wait_s, say)
    if any(PLUGIN in image for plan in plans for document in plan.documents for image in images(document)):
        wait_for_gpus(kubectl, max(wait_s - waited.seconds, 0), say)
    return Applied(done, waited)


def _try(kubectl: Kubectl, documents: Sequence[Document], done: dict[str, str]) -> None:
    """Let the server say what it would do (``--dry-run=server``), admission included."""
    _all_well(kubectl.ask(*_requests(documents, "--dry-run=server")), done)


def _all_well(answers: Sequence[Answer], done: dict[str, str]) -> None:
    for one in answers:
        if not one.ok:
            raise _failed(one, done)


def _apply(kubectl: Kubectl, documents: Sequence[Document], before: dict[str, str]) -> dict[str, str]:
    done = dict(before)
    left = {_plain_name(identity(document)): identity(document) for document in documents}
    answers = kubectl.ask(*_requests(documents))
    for answer in answers:
        for line in answer.out.splitlines():
            name, _, end = line.rpartition(" ")
            who = left.get(_name_of(name))
            if who is not None:
                done[str(who)] = "applied" if end == "serverside-applied" else end
    _all_well(answers, done)
    for who in left.values():
        done.setdefault(str(who), "applied")
    return done


def _requests(documents: Sequence[Document], *words: str) -> list[Request]:
    """Secrets apart: kubectl's annotation of what was last applied would hold their texts once more."""
    plain = [document for document in documents if document.get("kind") != "Secret"]
    secret = [document for document in documents if document.get("kind") == "Secret"]
    made = []
    if secret:
        server = ("apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", *words)
        made.append(Request((*server, "--filename=-"), _list(secret)))
    if plain:
        client = ("apply", f"--field-manager={FIELD_MANAGER}", *words, "--filename=-")
        made.append(Request(client, _list([marked(document) for document in plain])))
    return made


def _list(documents: Sequence[Document]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})


def _failed(answer: Answer, done: dict[str, str]) -> ApplyError:
    error = answer.error()
    there = ", ".join(f"{name} {end}" for name, end in done.items() if end in ("created", "configured", "applied"))
    left = f"On the cluster by now: {there}; they stay." if there else "Nothing was applied."
    return ApplyError(error.what, error.where, f"{left} {error.next_step}", error.error_class, error.retryable)


def _name_of(printed: str) -> tuple[str, str]:
    """``deployment.apps/vllm`` as kubectl prints it: kind in small letters, and name."""
    kind, _, name = printed.partition("/")
    return kind.partition(".")[0], name


def _plain_name(who: Identity) -> tuple[str, str]:
    return who.kind.lower(), who.name


def wait_for_node(judge: Callable[[], list[Planned]], wait_s: float, say: Say) -> list[Planned]:
    """The plans, made again until some node of the cluster is ready.

    :param judge: makes them
    :raises ApplyError: none is in time
    """
    deadline = time.monotonic() + wait_s
    while True:
        plans = judge()
        missing = [one for plan in plans for one in plan.of(Verdict.REFUSED) if one.id == "node"]
        if not missing or wait_s <= 0:
            return plans
        if time.monotonic() > deadline:
            raise _not_ready(missing[0], wait_s)
        say(f"waiting for a node: {'; '.join(missing[0].evidence)}")
        time.sleep(min(3.0, max(0.1, deadline - time.monotonic())))


def _not_ready(missing: Judgement, wait_s: float) -> ApplyError:
    return ApplyError(
        f"no node is ready after {wait_s:g} s: {'; '.join(missing.evidence)}",
        "nothing was applied",
        missing.next_step,
        ErrorClass.TIMEOUT,
    )
