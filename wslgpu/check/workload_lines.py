"""One workload in words, for the terminal: its rule, and where it comes from. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from wslgpu.catalogue.explain import WIDTH_COLUMNS
from wslgpu.catalogue.load import Catalogue
from wslgpu.catalogue.model import Workload


def workload_lines(work: Workload, known: Catalogue, place: str = "") -> list[str]:
    """Lines of at most 80 columns, but for addresses that are longer by themselves.

    :param place: ``file:line`` of the entry
    """
    lines = [*_wrapped(f"{work.id}: {work.title}", "", "  "), "", *_wrapped(work.meaning, "", "")]
    lines += ["", "Without one of these: NO-GO", *_titled(work.requires, known)]
    for group in work.one_of:
        lines += ["", "Without any of these: NO-GO", *_titled(group, known)]
    if work.better_with:
        lines += ["", "Without one of these: DEGRADED"]
        for row in work.better_with:
            lines += _wrapped(f"{row.capability}: {row.consequence}", "  ", "      ")
    if work.notes:
        lines += ["", "Notes", *(line for note in work.notes for line in _wrapped(note))]
    if work.standard:
        lines += [
            "",
            *_wrapped("It is required where neither the site nor the command line requires anything.", "", ""),
        ]
    if work.sources:
        lines += ["", "Sources"]
        for source in work.sources:
            lines += [*_wrapped(f"{source.date.isoformat()}: {source.what}"), f"      {source.url}"]
    return [*lines, "", f"Written in {place}"] if place else lines


def _titled(names: Iterable[str], known: Catalogue) -> list[str]:
    return [line for name in names for line in _wrapped(f"{name}: {known.capabilities[name].title}", "  ", "      ")]


def _wrapped(text: str, first: str = "  ", further: str = "  ") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH_COLUMNS,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
