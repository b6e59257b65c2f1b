"""What is to be put on a cluster: rendered from what the cluster says, checked, and held against what is there.

::

    ask ──> NodeTruth ──> render ──> Requests ──> ask again (paths, parts, live objects) ──> judgements and drifts

Nothing here changes anything; ``apply``, ``diff`` and ``check`` all begin with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.kubernetes import drift
from wslgpu.kubernetes.check_model import Judgement, Verdict
from wslgpu.kubernetes.checks import judge, part_label
from wslgpu.kubernetes.cluster_facts import ClusterFacts, ask_cluster, ask_more, truth
from wslgpu.kubernetes.drift import Drift, State
from wslgpu.kubernetes.images import judge_images
from wslgpu.kubernetes.kubectl import Answer, Kubectl, Request
from wslgpu.kubernetes.kubectl_errors import KubectlError, NotFoundError
from wslgpu.kubernetes.leftovers import Leftover, leftovers, question
from wslgpu.kubernetes.pods import table
from wslgpu.kubernetes.requests import Asked, Requests, requests
from wslgpu.settings import Settings
from wslgpu.workloads import vllm_key
from wslgpu.workloads.kubernetes_form import labels
from wslgpu.workloads.manifest import Identity, identity
from wslgpu.workloads.model import Rendered
from wslgpu.workloads.render import names, render

Document = Mapping[str, Any]
_NOT_LOOKED = "nobody could look for what earlier data left of it"
_AUTOSCALERS = ("get", "horizontalpodautoscalers", "-A", "-o", "json")


@dataclass(frozen=True)
class Planned:
    """One workload.

    :param documents: in the order in which they are applied; secrets among them, which `render` never shows
    :param judgements: of the check, refusals of the renderer among them
    :param drifts: in the order of the documents
    :param live: the objects as they are on the cluster, in the same order
    :param leftovers: what earlier data left of it on the cluster
    """

    name: str
    documents: tuple[Document, ...]
    judgements: tuple[Judgement, ...]
    drifts: tuple[Drift, ...] = ()
    live: tuple[Document | None, ...] = ()
    notes: tuple[str, ...] = ()
    leftovers: tuple[Leftover, ...] = ()

    @property
    def waits_for_plugin(self) -> bool:
        """Its GPUs can be judged only when the device plugin of the same call has told the cluster of them."""
        return any(one.id == "gpus" and one.verdict is Verdict.NOTE for one in self.judgements)

    def of(self, *verdicts: Verdict) -> tuple[Judgement, ...]:
        return tuple(one for one in self.judgements if one.verdict in verdicts)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "judgements": [one.as_json() for one in self.judgements],
            "objects": [one.as_json() for one in self.drifts],
            "leftovers": [one.as_json() for one in self.leftovers],
            "notes": list(self.notes),
        }


def chosen(wanted: Sequence[str]) -> tuple[str, ...]:
    """The workloads that were named, each once, in the order in which they are applied.

    :raises UsageError: one that there is not
    """
    known = names()
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no workload {name!r}", "NAME", f"Known: {', '.join(known)}.")
    return tuple(name for name in known if name in wanted)


def make_plan(
    kubectl: Kubectl,
    settings: Settings,
    wanted: Sequence[str],
    files: Sequence[Rendered] = (),
    *,
    images: bool = True,
) -> list[Planned]:
    """Ask, render, check.

    :param files: objects that somebody else wrote, to be checked beside
    :param images: ask registries for the images' digests
    :raises WslgpuError: the cluster cannot be asked, or a setting is wrong
    """
    facts = ask_cluster(kubectl)
    seen = truth(facts, settings.video_cdi_kind)
    if "device-plugin" in wanted and not seen.advertised:
        # nobody has said yet how many there will be, which is not the same as none
        seen = replace(seen, advertised=None)
    rendered: list[Rendered | Planned] = list(files)
    for name in chosen(wanted):
        try:
            rendered.append(render(name, settings, seen))
        except UsageError as error:
            # the renderer knows from the cluster that it cannot run: that is this check's answer
            refused = Judgement("rendering", Verdict.REFUSED, error.what, (error.where,), error.next_step)
            rendered.append(Planned(name, (), (refused,)))
    documents = {one.name: _documents(one, settings) for one in rendered if isinstance(one, Rendered)}
    together = requests([document for found in documents.values() for document in found])
    more = {
        **{f"live-{number}": Request(get(who)) for number, who in enumerate(_identities(documents))},
        **{
            part_label(space, resource, name): Request(_get_part(space, resource, name))
            for space, resource, name in together.missing_parts
        },
        "autoscalers": Request(_AUTOSCALERS),
        **{f"all-{name}": question(name) for name in documents if name in wanted},
    }
    facts = ask_more(kubectl, facts, together.paths, more)
    live = _live(facts, _identities(documents))
    scaled = _autoscaled(facts.answers.get("autoscalers"))
    result: list[Planned] = []
    before: list[Asked] = []
    for one in rendered:
        if isinstance(one, Planned):
            result.append(one)
            continue
        found = documents[one.name]
        asked = _within(requests(found), together, tuple(before))
        before += asked.pods
        judgements = judge(asked, facts, settings)
        judgements += judge_images(asked.images, facts, settings) if images else []
        drifts = tuple(
            drift.judge(document, live[identity(document)], autoscaled=identity(document) in scaled)
            for document in found
        )
        now = tuple(live[identity(document)] for document in found)
        left: tuple[Leftover, ...] = ()
        if one.name in wanted:
            try:
                left = _leftovers(facts.answers.get(f"all-{one.name}"), found)
            except KubectlError as error:
                judgements.append(Judgement("leftovers", Verdict.NOTE, f"{_NOT_LOOKED}: {error.what}"))
        result.append(Planned(one.name, found, tuple(judgements), drifts, now, one.notes, left))
    return result


def _leftovers(answer: Answer | None, documents: Sequence[Document]) -> tuple[Leftover, ...]:
    """What is there of a workload beside its documents.

    :raises KubectlError: the cluster does not say
    """
    found = answer.items() if answer is not None else []
    needed = requests(documents).missing_parts
    return leftovers(found, {identity(document) for document in documents}, needed)


def _within(own: Requests, together: Requests, before: tuple[Asked, ...]) -> Requests:
    """One workload's requests: what others of the same call bring is there for it, and what they take is not."""
    return Requests(
        own.pods,
        own.services,
        own.namespaces,
        together.made_namespaces,
        together.made_runtime_classes,
        own.volume_paths,
        together.made,
        together.brings_plugin,
        before,
    )


def get(who: Identity) -> tuple[str, ...]:
    """kubectl's words that print the object, or nothing when it is not there."""
    space = (f"--namespace={who.namespace}",) if who.namespace else ()
    return ("get", who.kind.lower(), who.name, *space, "--ignore-not-found", "--output=json")


def _get_part(space: str, resource: str, name: str) -> tuple[str, ...]:
    where = (f"--namespace={space}",) if space else ()
    return ("get", resource, name, *where, "--ignore-not-found", "--output=name")


def _documents(one: Rendered, settings: Settings) -> tuple[Document, ...]:
    """The rendered objects; vLLM's key before them, where the data names its file."""
    if one.name == "vllm" and (secret := vllm_key.secret(settings)) is not None:
        secret["metadata"]["labels"] = labels("vllm")
        return (secret, *one.documents)
    return one.documents


def _identities(documents: Mapping[str, Sequence[Document]]) -> list[Identity]:
    return list(dict.fromkeys(identity(document) for found in documents.values() for document in found))


def _live(facts: ClusterFacts, wanted: Sequence[Identity]) -> dict[Identity, Document | None]:
    """The objects as they are; None for one that is not there.

    :raises WslgpuError: one of them could not be asked for: nothing can be said of what would be overwritten
    """
    found: dict[Identity, Document | None] = {}
    for number, who in enumerate(wanted):
        answer = facts.answers.get(f"live-{number}")
        if answer is None:
            raise WslgpuError(f"{who} was not asked for", "kubectl", "Run it again.", ErrorClass.NETWORK, True)
        found[who] = None if _is_unknown_place(answer) else answer.document() or None
    return found


def _is_unknown_place(answer: Answer) -> bool:
    """Its namespace is not there yet, or its kind: then neither is it."""
    return not answer.ok and isinstance(answer.error(), NotFoundError)


def _autoscaled(answer: Answer | None) -> frozenset[Identity]:
    """What an autoscaler sets the replicas of; none where they cannot be listed."""
    if answer is None or not answer.ok:
        return frozenset()
    found = set()
    for row in answer.items():
        target = table(table(row.get("spec")).get("scaleTargetRef"))
        space = str(table(row.get("metadata")).get("namespace", ""))
        found.add(Identity(str(target.get("kind")), space, str(target.get("name"))))
    return frozenset(found)


def refusals(plans: Sequence[Planned]) -> list[Judgement]:
    """What keeps any of them from being applied, whatever is forced."""
    found = [one for plan in plans for one in plan.of(Verdict.REFUSED)]
    for plan in plans:
        for one in plan.drifts:
            if one.state is State.FOREIGN:
                found.append(
                    Judgement(
                        "foreign",
                        Verdict.REFUSED,
                        f"{one.who} is there and not wslgpu's, and says something else",
                        tuple(map(str, one.differences[:8])),
                        "It is left alone. Remove it, or change the name in the data, and apply again.",
                    )
                )
    return found
