"""What a scrape answers: the stored cells, the counts of what stands, and what this process sees itself."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder

from orchestrator.domain.counted import ERRORS, QUERIES
from orchestrator.domain.measures import INFINITE, SUM, VALUE, edge_cell
from orchestrator.domain.metrics import METRICS, Metric, MetricKind
from orchestrator.domain.states import WorkflowStatus
from orchestrator.ops.probe import Probe
from orchestrator.store import Store
from orchestrator.store.metrics import MetricRow, StateCounts

# Prometheus gives up after 10 s: a database that hangs may not take the rest of the answer with it.
READ_LIMIT_S = 3.0
# What stands is counted at each scrape while that is quick. Later, with large tables, it is counted beside the scrapes,
# as often as that takes a hundredth of the time: after 1,000,000 events, every few seconds.
_COUNTED_EACH_TIME_S = 0.02
_COUNTING_SHARE = 0.01

Samples = Sequence[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What only the operations server knows: label values -> value, by the metric's name."""

    values: Mapping[str, Mapping[tuple[str, ...], float]]


class Stored:
    """What the database knows, as of now or, while it cannot be read, as of the last time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._probe = Probe("scrape", self._read)
        self._counting = Probe("count", self._count)
        self._rows: list[MetricRow] = []
        self._states: StateCounts | None = None
        self._counted_at = float("-inf")
        self._counting_s = 0.0

    def refresh(self) -> bool:
        """Read again; False where the database did not answer in time."""
        try:
            self._probe.start().result(READ_LIMIT_S)
        except Exception:  # noqa: BLE001 — whatever keeps it from answering, the answer says that it is down
            return False
        return True

    @property
    def rows(self) -> list[MetricRow]:
        return self._rows

    @property
    def states(self) -> StateCounts | None:
        return self._states

    def _read(self) -> None:
        self._rows = self._store.read(lambda reader: reader.metric_rows(), patient=False)
        if self._counting_s < _COUNTED_EACH_TIME_S:
            self._count()
        elif self._counting_s < _COUNTING_SHARE * (time.monotonic() - self._counted_at):
            # Not waited for: this scrape gives the counts of a moment ago.
            self._counting.start()

    def _count(self) -> None:
        began = time.monotonic()
        self._states = self._store.read(lambda reader: reader.state_counts(), patient=False)
        self._counted_at = time.monotonic()
        self._counting_s = self._counted_at - began


class Scrape:
    """Answers scrapes; those that come while one is being answered get the same answer."""

    def __init__(self, store: Store, live: Callable[[bool], Live]) -> None:
        self._stored = Stored(store)
        self._live = live
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[tuple[bytes, str]]] = {}

    def answer(self, accept: str) -> Future[tuple[bytes, str]]:
        """The body and its content type, in the format that `accept` asks for."""
        encode, content_type = choose_encoder(accept)
        with self._lock:
            waiting = self._under_way.get(content_type)
            if waiting is None:
                waiting = self._under_way[content_type] = Future()
                arguments = (waiting, encode, content_type)
                threading.Thread(target=self._answer, args=arguments, name="scrape", daemon=True).start()
            return waiting

    def _answer(
        self, waiting: Future[tuple[bytes, str]], encode: Callable[[CollectorRegistry], bytes], content_type: str
    ) -> None:
        try:
            answered = encode(_Families(self.families())), content_type
        except BaseException as error:  # noqa: BLE001 — whoever waits has to hear of it
            self._done(content_type)
            waiting.set_exception(error)
        else:
            self._done(content_type)
            waiting.set_result(answered)

    def _done(self, content_type: str) -> None:
        with self._lock:
            del self._under_way[content_type]

    def families(self) -> list[Family]:
        """Every metric that there is a value for, in the order of the requirements."""
        database_up = self._stored.refresh()
        live = self._live(database_up).values
        states = {} if self._stored.states is None else _of_states(self._stored.states)
        cells = _cells(self._stored.rows)
        states["agent_error_rate"] = {(): _error_rate(cells)} if self._stored.states is not None else {}
        families = []
        for metric in METRICS.values():
            stored = cells.get(metric.name, {})
            if metric.kind is MetricKind.HISTOGRAM:
                families.append(_histogram(metric, stored))
            else:
                values = {labels: found.get(VALUE, 0.0) for labels, found in stored.items()}
                values = {**values, **states.get(metric.name, {}), **live.get(metric.name, {})}
                families.append(_plain(metric, values))
        return families


class _Families(CollectorRegistry):
    """Families that are there already: an encoder asks a registry for nothing else."""

    def __init__(self, families: Sequence[Family]) -> None:
        super().__init__(auto_describe=False)
        self._families = families

    def collect(self) -> Iterator[Family]:
        yield from self._families


def _plain(metric: Metric, values: Mapping[tuple[str, ...], float]) -> Family:
    counter = metric.kind is MetricKind.COUNTER
    family = (CounterMetricFamily if counter else GaugeMetricFamily)(metric.name, metric.help, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(list(labels), value)
    return family


def _cells(rows: Sequence[MetricRow]) -> dict[str, dict[tuple[str, ...], dict[str, float]]]:
    """Value by cell, by label values, by name; a row that a person or a fault has damaged is left out."""
    cells: dict[str, dict[tuple[str, ...], dict[str, float]]] = {}
    for row in rows:
        try:
            labels = tuple(str(value) for value in json.loads(row.labels))
        except (ValueError, TypeError):
            continue
        metric = METRICS.get(row.name)
        if metric is None or len(labels) == len(metric.labels):
            cells.setdefault(row.name, {}).setdefault(labels, {})[row.cell] = row.value
    return cells


def _histogram(metric: Metric, stored: Mapping[tuple[str, ...], Mapping[str, float]]) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    edges = [(edge_cell(edge), repr(edge)) for edge in metric.buckets_ms]
    # One without labels is there from the start, so that a rate sees its first observation.
    series = stored or ({} if metric.labels else {(): {}})
    for labels, found in sorted(series.items()):
        total = 0.0
        buckets = []
        for cell, edge in (*edges, (INFINITE, INFINITE)):
            total += found.get(cell, 0.0)
            buckets.append((edge, total))
        family.add_metric(list(labels), buckets=buckets, sum_value=found.get(SUM, 0.0))
    return family


def _of_states(states: StateCounts) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        "workflow_status_count": {(str(status),): count for status, count in states.workflows.items()},
        "workflow_success_rate": {(): states.completed / states.ended if states.ended else 1.0},
        "workflow_concurrent_running": {(): states.workflows[WorkflowStatus.RUNNING]},
        "agent_concurrent_count": {(): states.agents},
        "worktree_active_count": {(): states.worktrees},
        "worktree_disk_usage_bytes": {(): states.worktree_bytes},
        "report_file_count": {(): states.reports},
        "report_disk_usage_bytes": {(): states.report_bytes},
        "workspace_active_count": {(): states.workspaces},
        "checkpoint_count": {(): states.checkpoints},
        "checkpoint_invalid_count": {(): states.invalid_checkpoints},
        "event_queue_depth": {(): states.pending_events},
    }


def _error_rate(cells: Mapping[str, Mapping[tuple[str, ...], Mapping[str, float]]]) -> float:
    """Of the last hour; an error without a query, at an agent's start, counts as one query of its own."""
    errors, queries = (sum(cells.get(name, {}).get((), {}).values()) for name in (ERRORS, QUERIES))
    return errors / max(queries, errors) if errors else 0.0
