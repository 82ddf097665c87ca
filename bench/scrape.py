"""A scrape after 1,000,000 events against one after 1,000, both over stores that such a history leaves.

The histories are inserted as rows, in the proportions of a Workflow of three Works with two Tasks, all ended within the
last day. A scrape is what `GET /metrics` does: read, render.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert

from bench.measure import Figure, interleaved, main
from orchestrator.domain.events import EventType
from orchestrator.domain.states import TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.ops.scrape import Live, Scrape
from orchestrator.store import Store, open_store
from orchestrator.store.rows import NewWork, NewWorkflow
from orchestrator.store.tables import checkpoints, events, reports, tasks, workflows, works

MANY, FEW = 1_000_000, 1_000
AT_MOST_MS = 50
_EVENTS_A_WORKFLOW = 34
_WORKS, _TASKS = 3, 2
_BATCH = 500


def measure(*, tries: int = 101) -> Figure:
    """Time of a scrape after 1,000,000 events against after 1,000."""
    with tempfile.TemporaryDirectory() as folder:
        many, few = (_scrape(Path(folder), count) for count in (MANY, FEW))
        for scrape in (many, few):
            scrape()
        pairs = interleaved(many, few, pairs=tries)
    middle = sorted(ours for ours, _ in pairs)[len(pairs) // 2]
    return Figure(
        name="scrape",
        what=f"a scrape after 1,000,000 events against one after 1,000; it took {middle:.0f} ms, {AT_MOST_MS} allowed",
        unit="ms",
        at_most=1.2,
        ours=tuple(ours for ours, _ in pairs),
        baseline=tuple(baseline for _, baseline in pairs),
    )


def _scrape(folder: Path, count: int) -> Callable[[], float]:
    store = open_store(f"sqlite:///{folder}/{count}.db")
    store.migrate()
    _fill(store, f"sqlite:///{folder}/{count}.db", count)
    answering = Scrape(store, lambda up: Live(values={"dependency_up": {("database",): float(up)}}))

    def scrape() -> float:
        began = time.perf_counter()
        answering.answer("").result()
        return (time.perf_counter() - began) * 1000

    return scrape


def _fill(store: Store, url: str, count: int) -> None:
    """One Workflow by the front door, for the series, and the rest as copies of its rows."""
    plan = tuple(NewWork(name=f"w{n}", provider="builtin", tasks=("a", "b")) for n in range(_WORKS))
    store.write(lambda tx: tx.put_spec(digest="d", workflow="nightly", document="{}"))
    new = NewWorkflow(id="wf-seed", workflow="nightly", spec_digest="d", works=plan)
    store.write(lambda tx: tx.create_workflow(new))
    now = store.read(lambda reader: reader.now)
    numbers = range(count // _EVENTS_A_WORKFLOW)
    engine = create_engine(url)
    with engine.begin() as connection:
        for batch in _batches(numbers):
            ids = [f"wf-{number:012d}" for number in batch]
            connection.execute(insert(workflows), [_workflow(id, now) for id in ids])
            connection.execute(insert(works), [_work(id, n, now) for id in ids for n in range(_WORKS)])
            connection.execute(
                insert(tasks), [_task(id, n, m, now) for id in ids for n in range(_WORKS) for m in range(_TASKS)]
            )
            connection.execute(insert(reports), [_report(id, n, now) for id in ids for n in range(_WORKS)])
            connection.execute(insert(checkpoints), [_checkpoint(id, n, now) for id in ids for n in range(_WORKS)])
            connection.execute(insert(events), [_event(id, n, now) for id in ids for n in range(_EVENTS_A_WORKFLOW)])
        connection.exec_driver_sql("ANALYZE")


def _batches(numbers: range) -> Iterator[range]:
    return (numbers[start : start + _BATCH] for start in range(0, len(numbers), _BATCH))


def _workflow(id: str, now: datetime) -> dict[str, Any]:
    moments = dict.fromkeys(("created_at", "started_at", "ended_at", "updated_at"), now - timedelta(hours=1))
    plain = {"id": id, "workflow": "nightly", "spec_digest": "d", "status": WorkflowStatus.COMPLETED, "inputs": {}}
    return {**plain, "correlation_id": f"{id}-001", "chain": 1, **moments}


def _work(id: str, number: int, now: datetime) -> dict[str, Any]:
    plain = {"id": f"{id}-w{number}", "workflow_id": id, "name": f"w{number}", "sequence": number + 1}
    return {**plain, "status": WorkStatus.COMPLETED, "provider": "builtin", "attempt": 1, "started_at": now}


def _task(id: str, work: int, number: int, now: datetime) -> dict[str, Any]:
    work_id = f"{id}-w{work}"
    plain = {"id": f"{work_id}-t{number}", "workflow_id": id, "work_id": work_id, "name": f"t{number}"}
    return {
        **plain,
        "position": number + 1,
        "status": TaskStatus.COMPLETED,
        "attempt": 1,
        "snapshot": {},
        "started_at": now,
    }


def _report(id: str, work: int, now: datetime) -> dict[str, Any]:
    plain = {"id": f"{id}-r{work}", "workflow_id": id, "work_id": f"{id}-w{work}", "task_id": f"{id}-w{work}-t0"}
    return {
        **plain,
        "title": "T",
        "path": "/x",
        "outline": [],
        "missing": [],
        "bytes": 1000,
        "stale": False,
        "created_at": now,
    }


def _checkpoint(id: str, work: int, now: datetime) -> dict[str, Any]:
    plain = {"id": f"{id}-c{work}", "workflow_id": id, "work_id": f"{id}-w{work}", "work": f"w{work}"}
    return {**plain, "sequence": work + 1, "commits": {}, "schema_version": 1, "created_at": now}


def _event(id: str, number: int, now: datetime) -> dict[str, Any]:
    plain = {"id": f"{id}-e{number}", "type": EventType.QUERY_SENT, "correlation_id": f"{id}-001", "workflow_id": id}
    return {**plain, "workflow": "nightly", "context": {}, "occurred_at": now, "published_at": now}


if __name__ == "__main__":
    main(measure)
