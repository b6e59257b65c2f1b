"""One node's document against the catalogue and the site's data: pure, and it never raises over what a node sent."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence

from wslgpu.catalogue.load import Catalogue
from wslgpu.errors import UsageError
from wslgpu.names import did_you_mean
from wslgpu.probe.document import Observations
from wslgpu.verdict.capabilities import Judge
from wslgpu.verdict.derived import with_derived
from wslgpu.verdict.facts import benchmarks_of, facts_of, probe_of
from wslgpu.verdict.model import Finding, NodeJudgement, State
from wslgpu.verdict.workloads import judge_workload


def judge_node(
    name: str,
    document: Observations,
    catalogue: Catalogue,
    *,
    required_workloads: Sequence[str] = (),
    required_capabilities: Sequence[str] = (),
    today: datetime.date,
) -> NodeJudgement:
    """Judge one node.

    :param required_workloads: with ``required_capabilities`` what must hold; when both are empty, what the site
        requires; when it requires nothing, the catalogue's standard workloads
    :param today: the day on which waivers hold or have run out
    :raises UsageError: a required workload or capability that the catalogue does not have
    """
    workloads, capabilities = _required(catalogue, required_workloads, required_capabilities)
    document = with_derived(document)
    judge = Judge(document, catalogue, today)
    judged = judge.all()
    return NodeJudgement(
        name=name,
        platform=judge.place.platform,
        level=document.probe.level,
        stand_in=judge.lab,
        capabilities=judged,
        workloads=tuple(
            judge_workload(workload, judge, required=workload.id in workloads)
            for workload in catalogue.workloads.values()
        ),
        findings=(*_expired(name, judge), *_required_findings(name, judge, capabilities)),
        facts=facts_of(document, judge.place),
        benchmarks=benchmarks_of(document),
        probe=probe_of(document),
        required_capabilities=tuple(dict.fromkeys(capabilities)),
    )


def _required(
    catalogue: Catalogue, workloads: Sequence[str], capabilities: Sequence[str]
) -> tuple[Collection[str], Collection[str]]:
    for kind, names, known in (
        ("workload", workloads, catalogue.workloads),
        ("capability", capabilities, catalogue.capabilities),
    ):
        for name in names:
            if name not in known:
                meant = did_you_mean(name, known)
                raise UsageError(f"there is no {kind} {name!r}", "", f"{meant}`wslgpu catalogue list` lists them.")
    if workloads or capabilities:
        return workloads, capabilities
    site = catalogue.site
    if site.require_workloads or site.require_capabilities:
        return site.require_workloads, site.require_capabilities
    return [workload.id for workload in catalogue.workloads.values() if workload.standard], ()


def _expired(name: str, judge: Judge) -> list[Finding]:
    return [
        Finding(
            id=f"waiver.expired.{judgement.id}",
            what=f"the waiver of {judgement.id} ran out on {judgement.waiver.expires} ({judgement.waiver.reason})",
            nodes=(name,),
            remedy=f"Ask {judgement.waiver.person}: mend it, take the waiver out of site.yml, or give it another day.",
        )
        for judgement in judge.done.values()
        if judgement.waiver is not None and judgement.waiver_expired
    ]


_LACKING = {
    State.CANNOT: "is what this platform cannot do",
    State.BROKEN: "is broken here",
    State.BLOCKED: "is blocked",
    State.NOT_TESTED: "was not tested",
    State.NOT_APPLICABLE: "does not apply here",
}


def _required_findings(name: str, judge: Judge, capabilities: Collection[str]) -> list[Finding]:
    """One for each required capability that a node does not have; what nobody tested fails nothing here."""
    findings = []
    for capability_id in dict.fromkeys(capabilities):
        judgement = judge.capability(capability_id)
        if judgement.state.usable or judge.is_waived(capability_id):
            continue
        fails = judgement.state not in (State.NOT_TESTED, State.NOT_APPLICABLE)
        words = _LACKING.get(judgement.state, "is not there")
        what = f"{capability_id} is required, and it {words}: {judgement.reason}"
        root = judge.capability(judgement.cause or capability_id)
        findings.append(Finding(f"capability.required.{capability_id}", what, (name,), root.remedy, fails))
    return findings
