"""Which entries rest on old sources: platforms change, and an expectation that nobody looked at again is a guess."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from wslgpu.catalogue.load import Catalogue
from wslgpu.catalogue.model import Capability, Source


@dataclass(frozen=True)
class Stale:
    """An entry whose sources are all old.

    :param newest: the date of the newest one
    :param url: its address, to begin with
    :param place: ``file:line`` of the entry
    """

    id: str
    newest: datetime.date
    url: str
    place: str


def stale(catalogue: Catalogue, before: datetime.date) -> list[Stale]:
    """Capabilities, and workloads that have sources, whose newest source is older than a day; the oldest first."""
    rows = [
        (name, newest.date, newest.url)
        for name, newest in (
            *((name, _newest(all_sources(entry))) for name, entry in catalogue.capabilities.items()),
            *((name, _newest(entry.sources)) for name, entry in catalogue.workloads.items() if entry.sources),
        )
        if newest.date < before
    ]
    return [
        Stale(name, date, url, catalogue.places.get(name, ""))
        for name, date, url in sorted(rows, key=lambda row: (row[1], row[0]))
    ]


def all_sources(capability: Capability) -> tuple[Source, ...]:
    """Those of the entry and of its expectations, each once."""
    rows = (*capability.sources, *(source for row in capability.expectations for source in row.sources))
    return tuple(dict.fromkeys(rows))


def _newest(sources: Iterable[Source]) -> Source:
    return max(sources, key=lambda source: source.date)
