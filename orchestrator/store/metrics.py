"""Metrics as rows, a number each: changed with the events that they count, read whole by each scrape.

There are as many rows as series and buckets, however many events there were.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain.counted import ERRORS, QUERIES
from orchestrator.domain.measures import Measure, minute_cell, totals
from orchestrator.domain.states import WorkflowStatus, WorkStatus
from orchestrator.store.tables import archives, checkpoints, events, metrics, reports, workflows, works, worktrees

_WINDOW = timedelta(hours=1)
_ENDED_WITHIN = timedelta(hours=24)
_KEY = ["name", "labels", "cell"]
_ROWS = select(metrics.c.name, metrics.c.labels, metrics.c.cell, metrics.c.value)

_PUT: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(metrics),
    "postgresql": postgresql.insert(metrics),
}
_ADD = {
    name: put.on_conflict_do_update(index_elements=_KEY, set_={"value": metrics.c.value + put.excluded.value})
    for name, put in _PUT.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One stored cell; see `domain.measures.Measure`."""

    name: str
    labels: str
    cell: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCounts:
    """What stands now, counted.

    Attributes:
        ended: Workflows that ended in the last 24 hours, `completed` those of them that are COMPLETED.
        agents: Works whose agent runs.
        worktree_bytes: of those that stand, as last measured.
        reports: those that are not archived; `report_bytes` is theirs and the archives'.
        workspaces: WorkSpaces that stand: of Works that were started, of Workflows that are neither COMPLETED nor
            CANCELLED.
    """

    workflows: dict[WorkflowStatus, int]
    ended: int
    completed: int
    agents: int
    worktrees: int
    worktree_bytes: int
    reports: int
    report_bytes: int
    workspaces: int
    checkpoints: int
    invalid_checkpoints: int
    pending_events: int


def add(connection: Connection, measures: Iterable[Measure]) -> None:
    """Add to the stored cells, in one statement; the last one of its transaction, as it locks rows that many want."""
    rows = [{"name": one.name, "labels": one.labels, "cell": one.cell, "value": one.by} for one in totals(measures)]
    if rows:
        connection.execute(_ADD[connection.dialect.name], rows)


def forget_minutes(connection: Connection, now: datetime) -> None:
    """Delete the minutes that no rate looks at any more."""
    old = metrics.c.cell < minute_cell(now - 2 * _WINDOW)
    connection.execute(delete(metrics).where(metrics.c.name.in_([QUERIES, ERRORS]), old))


def read_metrics(connection: Connection, now: datetime) -> list[MetricRow]:
    """Every stored cell; of the minutes those of the last hour."""
    recent = metrics.c.cell > minute_cell(now - _WINDOW)
    query = _ROWS.where(or_(metrics.c.name.not_in([QUERIES, ERRORS]), recent))
    return [
        MetricRow(name=name, labels=labels, cell=cell, value=value)
        for name, labels, cell, value in connection.execute(query)
    ]


def count_states(connection: Connection, now: datetime) -> StateCounts:
    """Counts over whole tables, each by an index; they take as long as there are rows."""
    ended = workflows.c.ended_at > now - _ENDED_WITHIN
    stands = workflows.c.status.not_in([WorkflowStatus.COMPLETED, WorkflowStatus.CANCELLED])
    by_status = select(workflows.c.status, func.count()).group_by(workflows.c.status)
    found = {status: number for status, number in connection.execute(by_status)}
    archived = select(archives.c.workflow_id).where(archives.c.restored_at.is_(None))
    kept = reports.c.workflow_id.not_in(archived)
    files, size = connection.execute(select(func.count(), func.sum(reports.c.bytes)).where(kept)).one()
    packed = connection.scalar(select(func.sum(archives.c.bytes)))
    standing = worktrees.c.removed_at.is_(None)

    def rows(table: Table, *where: ColumnElement[bool]) -> int:
        return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()

    return StateCounts(
        workflows={status: found.get(status, 0) for status in WorkflowStatus},
        ended=rows(workflows, ended),
        completed=rows(workflows, ended, workflows.c.status == WorkflowStatus.COMPLETED),
        agents=rows(works, works.c.status == WorkStatus.RUNNING),
        worktrees=rows(worktrees, standing),
        worktree_bytes=int(connection.scalar(select(func.sum(worktrees.c.bytes)).where(standing)) or 0),
        reports=files,
        report_bytes=int(size or 0) + int(packed or 0),
        workspaces=rows(works, works.c.attempt > 0, works.c.workflow_id.in_(select(workflows.c.id).where(stands))),
        checkpoints=rows(checkpoints),
        invalid_checkpoints=rows(checkpoints, checkpoints.c.invalidated_at.is_not(None)),
        pending_events=rows(events, events.c.published_at.is_(None)),
    )
