"""What is added to a metric: counts and observations as numbers to add to stored cells."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from orchestrator.domain.metrics import METRICS

# The cell of a counter or gauge, and of a histogram's sum; its other cells are the upper edges of its buckets.
VALUE = ""
SUM = "sum"
INFINITE = "+Inf"

# A label's value comes from a spec at the longest; a longer one is not ours.
_LONGEST_LABEL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number to add to one cell of one series.

    Attributes:
        labels: the values, in the order of `Metric.labels`, as a JSON array.
        cell: `VALUE`, `SUM`, or the upper edge of the one bucket that the observation falls into.
    """

    name: str
    labels: str
    cell: str
    by: float


def count(name: str, by: float = 1, /, **labels: str | None) -> Measure:
    """`by` more in a counter; 0 makes a series that shows before its first count, so that a rate sees that one."""
    return Measure(name=name, labels=_labels(name, labels), cell=VALUE, by=by)


def observe(name: str, ms: float, /, **labels: str | None) -> tuple[Measure, Measure]:
    """One observation in a histogram."""
    edges = METRICS[name].buckets_ms
    ms = max(0.0, ms)
    place = bisect_left(edges, ms)
    cell = edge_cell(edges[place]) if place < len(edges) else INFINITE
    given = _labels(name, labels)
    return (
        Measure(name=name, labels=given, cell=cell, by=1),
        Measure(name=name, labels=given, cell=SUM, by=ms),
    )


def expect(name: str, /, **labels: str | None) -> Measure:
    """A histogram's series, there with nothing in it before its first observation."""
    return Measure(name=name, labels=_labels(name, labels), cell=SUM, by=0)


def edge_cell(edge: float) -> str:
    """The cell of a bucket by its upper edge."""
    return f"{edge:g}" if edge < 1e6 else str(int(edge))


def in_minute(window: str, moment: datetime) -> Measure:
    """One more in the minute of `moment`: what a rate over the last hour is summed up from."""
    return Measure(name=window, labels="[]", cell=minute_cell(moment), by=1)


def minute_cell(moment: datetime) -> str:
    """The cell of a minute; cells sort as time does."""
    return moment.strftime("%Y-%m-%dT%H:%M")


def totals(measures: Iterable[Measure]) -> list[Measure]:
    """One measure a cell, in the order of cells: whoever adds them up in this order never waits in a circle."""
    added: dict[tuple[str, str, str], float] = {}
    for measure in measures:
        key = (measure.name, measure.labels, measure.cell)
        added[key] = added.get(key, 0.0) + measure.by
    return [Measure(name=key[0], labels=key[1], cell=key[2], by=by) for key, by in sorted(added.items())]


def _labels(name: str, given: dict[str, str | None]) -> str:
    labels = METRICS[name].labels
    if given.keys() != set(labels):
        raise ValueError(f"{name} has the labels {', '.join(labels) or 'none'}, not {', '.join(given) or 'none'}")
    return _joined(tuple(given[label] for label in labels))


# The same few, thousands of times.
@lru_cache(maxsize=4096)
def _joined(values: tuple[str | None, ...]) -> str:
    return json.dumps([_label(value) for value in values], separators=(",", ":"))


def _label(value: str | None) -> str:
    # An empty label would be no label; NUL is nothing that a database takes.
    return (value or "default").replace("\0", "?")[:_LONGEST_LABEL]
