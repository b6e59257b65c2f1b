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
from wslgpu.kubernetes.drift import State, marked
from wslgpu.kubernetes.kubectl import Answer, Kubectl, Request
from wslgpu.kubernetes.plan import Document, Planned, refusals
from wslgpu.kubernetes.remove import delete
from wslgpu.kubernetes.requests import brings_plugin
from wslgpu.kubernetes.restore import forget
from wslgpu.kubernetes.wait import Waited, wait_for, wait_for_gpus
from wslgpu.kubernetes.wait_judge import KINDS
from wslgpu.workloads.manifest import Identity, identity

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
    :param pruned: what earlier data had left and was removed
    """

    done: dict[str, str] = field(default_factory=dict)
    waited: Waited | None = None
    pruned: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        waited = self.waited.as_json() if self.waited else None
        return {"objects": self.done, "waited": waited, "pruned": list(self.pruned)}


@dataclass(frozen=True)
class Allowed:
    """What a person said may be done, beyond what is done anyway.

    :param force: apply in spite of warnings
    :param restore: put back what was edited by hand
    :param prune: remove what earlier data left
    """

    force: bool = False
    restore: bool = False
    prune: bool = False


def apply_all(
    kubectl: Kubectl,
    plan: Callable[[Sequence[str]], list[Planned]],
    names: Sequence[str],
    allowed: Allowed,
    show: Callable[[Planned], None],
    say: Say,
    *,
    wait_s: float,
    node_s: float,
) -> tuple[list[Planned], Applied]:
    """Check, apply and wait; what needs a GPU comes after the device plugin of the same call has told of one.

    :param plan: makes the plans of workloads
    :param show: is given each before anything of it is applied
    :param wait_s: for what is applied to be ready, or done; 0: do not wait
    :param node_s: before that, for a node to be ready
    :raises ApplyError: something keeps any of it from being applied; as :func:`require_applicable` says
    :raises NotReadyError: it is applied and does not run, or not in time
    """
    plans = wait_for_node(lambda: plan(names), node_s, say)
    for one in plans:
        show(one)
    require_applicable(plans, force=allowed.force, restore=allowed.restore)
    later = [one.name for one in plans if one.waits_for_plugin]
    if not later:
        return plans, apply_plans(kubectl, plans, say, wait_s=wait_s, prune=allowed.prune)
    if wait_s <= 0:
        raise ApplyError(
            f"{', '.join(later)} can be judged only when the device plugin has told of the GPUs",
            "nothing was applied",
            "Leave --wait 0 out, or apply device-plugin by itself first.",
            ErrorClass.USAGE,
        )
    first = [one for one in plans if one.name not in later]
    done = apply_plans(kubectl, first, say, wait_s=wait_s, prune=allowed.prune)
    rest = plan(later)
    for one in rest:
        show(one)
    where = f"{', '.join(one.name for one in first)} applied, {', '.join(later)} not"
    require_applicable(rest, force=allowed.force, restore=allowed.restore, where=where)
    more = apply_plans(kubectl, rest, say, wait_s=wait_s, prune=allowed.prune)
    waited = [one for one in (done.waited, more.waited) if one is not None]
    together = Waited(tuple(stand for one in waited for stand in one.stands), sum(one.seconds for one in waited))
    return [*first, *rest], Applied({**done.done, **more.done}, together, (*done.pruned, *more.pruned))


def require_applicable(
    plans: Sequence[Planned], *, force: bool, restore: bool, where: str = "nothing was applied"
) -> None:
    """Refuse what cannot run, what is not ours, what was edited, and what a person should decide.

    :param where: what the error says of what is there by now
    :raises ApplyError: with class platform (cannot run), or safety (something would be overwritten or exposed)
    """
    refused = refusals(plans)
    if refused:
        safety = all(one.id == "foreign" for one in refused)
        raise ApplyError(
            "; ".join(one.what for one in refused),
            where,
            " ".join(dict.fromkeys(one.next_step for one in refused if one.next_step)),
            ErrorClass.SAFETY if safety else ErrorClass.PLATFORM,
        )
    edited = [one for plan in plans for one in plan.drifts if one.state is State.EDITED]
    if edited and not restore:
        fields = "; ".join(f"{one.who}: {', '.join(map(str, one.edited[:4]))}" for one in edited)
        raise ApplyError(
            f"edited on the cluster by hand, or last applied by somebody else: {fields}",
            where,
            "Take the change over into site.yml, or put it back with --restore.",
            ErrorClass.SAFETY,
        )
    warnings = [one for plan in plans for one in plan.of(Verdict.WARNING)]
    if warnings and not force:
        raise ApplyError(
            "; ".join(one.what for one in warnings),
            where,
            f"{' '.join(dict.fromkeys(one.next_step for one in warnings))} Or apply it so with --force.",
            ErrorClass.SAFETY,
        )


def apply_plans(kubectl: Kubectl, plans: Sequence[Planned], say: Say, *, wait_s: float, prune: bool = False) -> Applied:
    """Apply what is not as it should be, and wait.

    :param wait_s: for all of it to be ready; 0: do not wait
    :param prune: afterwards remove what earlier data left
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
    waited = None
    if waiting and wait_s > 0:
        waited = wait_for(kubectl, waiting, wait_s, say)
        if any(brings_plugin(document) for plan in plans for document in plan.documents):
            wait_for_gpus(kubectl, max(wait_s - waited.seconds, 0), say)
    return Applied(done, waited, _prune(kubectl, plans, say) if prune else ())


def _prune(kubectl: Kubectl, plans: Sequence[Planned], say: Say) -> tuple[str, ...]:
    gone = [one.who for plan in plans for one in plan.leftovers if not one.stays]
    for who in gone:
        delete(kubectl, who)
        say(f"{who} removed: left by earlier data")
    return tuple(map(str, gone))


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
    for document in documents:
        done.setdefault(str(identity(document)), "applied")
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
