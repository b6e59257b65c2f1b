"""``docs/capabilities.md``, written from the catalogue: ``wslgpu catalogue docs > docs/capabilities.md``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wslgpu.catalogue.load import Catalogue
from wslgpu.catalogue.model import Capability, Source, Workload
from wslgpu.catalogue.stale import all_sources
from wslgpu.catalogue.words import PLATFORMS, expected, ranges, remedies, rows_for

RENEW = "wslgpu catalogue docs > docs/capabilities.md"

_HEAD = f"""\
# Capabilities

What a node can and cannot do, as `wslgpu check` holds it against its catalogue. `wslgpu explain ID` shows one entry
with the observations that decide it. This page is written by `{RENEW}`:
change the catalogue (`wslgpu/catalogue`), not the page.

`works`, `limited` and `cannot` are what a platform is expected to give; `varies` is recorded and reported, and never a
reason for NO-GO by itself; `-` means that the question makes no sense there. The confidence is that of the expectation:
`high` rests on a primary source, `medium` is likely, `low` is a single report.
"""
_SEEN_NOTHING = """\
Nothing on this page has been seen on real hardware by this project yet: the expectations rest on the sources that are
named.
"""


def render(catalogue: Catalogue) -> str:
    """The whole page, in the catalogue's order within each area; areas and workloads by name."""
    capabilities = catalogue.capabilities.values()
    seen = [capability for capability in capabilities if capability.seen]
    areas = sorted({capability.area for capability in capabilities})
    counts = f"{len(catalogue.capabilities)} capabilities, {len(catalogue.workloads)} workloads."
    parts = [_HEAD, counts + "\n", "" if seen else _SEEN_NOTHING, _contents(catalogue, areas), _workloads(catalogue)]
    for area in areas:
        rows = [capability for capability in capabilities if capability.area == area]
        parts += [f"## {area}\n", _table(rows), *(_entry(capability) for capability in rows)]
    return "\n".join(part for part in parts if part)


def _contents(catalogue: Catalogue, areas: list[str]) -> str:
    count = {area: sum(row.area == area for row in catalogue.capabilities.values()) for area in areas}
    links = [f"[{area}](#{_anchor(area)}) ({count[area]})" for area in areas]
    workloads = f"[Workloads](#workloads) ({len(catalogue.workloads)})\n\n" if catalogue.workloads else ""
    return f"{workloads}Areas: {' · '.join(links)}\n"


def _table(capabilities: Iterable[Capability]) -> str:
    heads = ["id", "what", *(platform.value for platform in PLATFORMS), "confidence"]
    lines = [_row(heads), _row(["---"] * len(heads))]
    for capability in capabilities:
        cells = [f"[{capability.id}](#{_anchor(capability.id)})", _text(capability.title)]
        cells += [_text(expected(rows_for(capability, platform))) for platform in PLATFORMS]
        lines.append(_row([*cells, _confidence(capability)]))
    return "\n".join(lines) + "\n"


def _confidence(capability: Capability) -> str:
    """That of the first row, on the first platform that has one."""
    rows = next((rows for platform in PLATFORMS if (rows := rows_for(capability, platform))), capability.expectations)
    return " / ".join(dict.fromkeys(row.confidence.value for row in rows))


def _entry(capability: Capability) -> str:
    lines = [f"### {capability.id}", "", f"**{_text(capability.title)}.** {_text(capability.meaning)}", ""]
    for platform in PLATFORMS:
        for row in rows_for(capability, platform):
            if row.note:
                which = f"{platform.value}, {ranges(row)}" if row.when else platform.value
                note = f"- {_text(which)}: {_text(row.note)}"
                # one note of a row for every platform is told once
                if row.platform is None and any(_text(row.note) in line for line in lines):
                    continue
                lines.append(note if row.platform else f"- {_text(row.note)}")
    if lines[-1]:
        lines.append("")
    lines += [*_remedies(capability), ""]
    for claim in capability.claims:
        lines += [f"> {_text(claim.claimed)}", f"> In fact: {_text(claim.in_fact)}", ""]
    lines += [_sources(all_sources(capability)), ""]
    if capability.seen:
        lines += [f"Seen: {_text(capability.seen)}", ""]
    return "\n".join(lines)


def _remedies(capability: Capability) -> list[str]:
    rows = remedies(capability)
    if not rows[0][0]:
        return [f"What to do: {_text(rows[0][1])}"]
    named = [(", ".join(platform.value for platform in platforms), text) for platforms, text in rows]
    return ["What to do:", "", *(f"- {names}: {_text(text)}" for names, text in named)]


def _workloads(catalogue: Catalogue) -> str:
    if not catalogue.workloads:
        return ""
    entries = [catalogue.workloads[name] for name in sorted(catalogue.workloads)]
    lines = ["## Workloads", "", _row(["id", "what", "judged where nothing else is asked for"]), _row(["---"] * 3)]
    for entry in entries:
        link = f"[{entry.id}](#{_anchor(_workload_heading(entry))})"
        lines.append(_row([link, _text(entry.title), "yes" if entry.standard else "-"]))
    return "\n".join([*lines, "", *(_workload(entry) for entry in entries)])


def _workload_heading(workload: Workload) -> str:
    return f"Workload {workload.id}"


def _workload(workload: Workload) -> str:
    lines = [f"### {_workload_heading(workload)}", "", f"**{_text(workload.title)}.** {_text(workload.meaning)}", ""]
    lines += [f"Requires: {', '.join(_link(name) for name in workload.requires)}.", ""]
    for group in workload.one_of:
        lines += [f"One of: {', '.join(_link(name) for name in group)}.", ""]
    lines += [f"- without {_link(row.capability)}: {_text(row.consequence)}" for row in workload.better_with]
    lines += [f"- {_text(note)}" for note in workload.notes]
    if lines[-1]:
        lines.append("")
    if workload.sources:
        lines += [_sources(workload.sources), ""]
    return "\n".join(lines)


def _sources(sources: Iterable[Source]) -> str:
    links = [f"[{_text(row.what)}]({row.url}) ({row.date.isoformat()})" for row in sources]
    return "Sources: " + " · ".join(links)


def _link(capability_id: str) -> str:
    return f"[{capability_id}](#{_anchor(capability_id)})"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _anchor(heading: str) -> str:
    """As GitHub makes them: dots go, letters, digits, _ and - stay, blanks become -."""
    return re.sub(r"[^a-z0-9_-]", "", heading.lower().replace(" ", "-"))


def _text(text: str) -> str:
    """Text that is neither markup nor a table's border."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
