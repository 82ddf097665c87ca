"""Queries. What names a row that is not there raises `NotFound`; lists of what belongs to it come back empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Select, Table, bindparam, func, or_, select, text
from sqlalchemy.sql.base import Executable

from orchestrator.domain.checkpoints import Checkpoint
from orchestrator.domain.checks import CheckResult
from orchestrator.domain.errors import NotFound
from orchestrator.domain.events import Event
from orchestrator.domain.firing import FiringStatus
from orchestrator.domain.states import PauseReason, RequestKind, WorkflowStatus
from orchestrator.store import metrics
from orchestrator.store.firing_rows import DeadLetterRow, FiringRow, PublicationRow
from orchestrator.store.retention_queries import RetentionQueries
from orchestrator.store.rows import (
    Holder,
    LeaseRow,
    ReportRow,
    RequestRow,
    RunWorkerRow,
    TaskRow,
    Usage,
    WorkflowRow,
    WorkRow,
    WorkTreeRow,
)
from orchestrator.store.tables import (
    checkpoints,
    checks,
    dead_letters,
    events,
    firings,
    handlings,
    leases,
    publications,
    reports,
    requests,
    run_workers,
    specs,
    tasks,
    workflows,
    works,
    worktrees,
)
from orchestrator.store.types import UtcTime

Row = TypeVar("Row")

# Statements are built once: SQLAlchemy takes longer to build one than SQLite to run it.
_CLOCK = {
    "sqlite": text("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS now").columns(now=UtcTime),
    # To the millisecond, as SQLite. The clock, not now(): a transaction that waited for a lock began in the past.
    "postgresql": text("SELECT date_trunc('milliseconds', clock_timestamp()) AS now").columns(now=UtcTime),
}
BY_ID: BindParameter[str] = bindparam("row_id")
_WORKFLOW = select(workflows).where(workflows.c.id == BY_ID)
_WORK = select(works).where(works.c.id == BY_ID)
_TASK = select(tasks).where(tasks.c.id == BY_ID)
_LEASE = select(leases).where(leases.c.workflow_id == BY_ID)

_EVENT = select(*(events.c[field.name] for field in fields(Event))).where(events.c.id == BY_ID)

_FIRING = select(*(firings.c[field.name] for field in fields(FiringRow))).where(firings.c.id == BY_ID)

_NONE: Mapping[str, Any] = {}


class Reader(RetentionQueries):
    """The queries of one transaction."""

    @cached_property
    def now(self) -> datetime:
        """The database's clock, UTC, when it was first asked: one moment for all that a transaction writes."""
        moment: datetime = self._connection.execute(_CLOCK[self._connection.dialect.name]).scalar_one()
        return moment

    def spec_document(self, digest: str) -> str:
        """The text of a stored spec."""
        document = self._connection.scalar(select(specs.c.document).where(specs.c.digest == digest))
        if document is None:
            raise NotFound(kind="spec", id=digest)
        return document

    def workflow(self, workflow_id: str) -> WorkflowRow:
        """One Workflow."""
        return self._one(WorkflowRow, _WORKFLOW, "workflow", workflow_id)

    def workflows(
        self, *, status: WorkflowStatus | None = None, name: str | None = None, limit: int = 100
    ) -> list[WorkflowRow]:
        """Workflows, newest first; `name` is the spec's."""
        query = select(workflows).order_by(workflows.c.created_at.desc(), workflows.c.id.desc()).limit(limit)
        if status is not None:
            query = query.where(workflows.c.status == status)
        if name is not None:
            query = query.where(workflows.c.workflow == name)
        return self._all(WorkflowRow, query)

    def resumable(self, *, after_shutdown: bool) -> list[WorkflowRow]:
        """PAUSED Workflows that may go on by themselves: their time has come, or a shutdown alone stopped them."""
        due = workflows.c.resume_at <= self.now
        if after_shutdown:
            due = or_(due, workflows.c.pause_reason == PauseReason.SHUTDOWN)
        query = select(workflows).where(workflows.c.status == WorkflowStatus.PAUSED, due).order_by(workflows.c.id)
        return self._all(WorkflowRow, query)

    def workflow_counts(self) -> dict[WorkflowStatus, int]:
        """How many Workflows are in each status, zeros included."""
        query = select(workflows.c.status, func.count()).group_by(workflows.c.status)
        found = {status: count for status, count in self._connection.execute(query)}
        return {status: found.get(status, 0) for status in WorkflowStatus}

    def work(self, work_id: str) -> WorkRow:
        """One Work."""
        return self._one(WorkRow, _WORK, "work", work_id)

    def works(self, workflow_id: str) -> list[WorkRow]:
        """A Workflow's Works, in order."""
        return self._all(WorkRow, select(works).where(works.c.workflow_id == workflow_id).order_by(works.c.sequence))

    def task(self, task_id: str) -> TaskRow:
        """One Task."""
        return self._one(TaskRow, _TASK, "task", task_id)

    def tasks(self, workflow_id: str) -> list[TaskRow]:
        """A Workflow's Tasks, in the order in which they run."""
        query = (
            select(*columns_of(TaskRow, tasks))
            .join(works, works.c.id == tasks.c.work_id)
            .where(tasks.c.workflow_id == workflow_id)
            .order_by(works.c.sequence, tasks.c.position)
        )
        return self._all(TaskRow, query)

    def reports(self, workflow_id: str) -> list[ReportRow]:
        """A Workflow's Reports, in the order of their Tasks."""
        query = (
            select(*columns_of(ReportRow, reports))
            .join(works, works.c.id == reports.c.work_id)
            .join(tasks, tasks.c.id == reports.c.task_id)
            .where(reports.c.workflow_id == workflow_id)
            .order_by(works.c.sequence, tasks.c.position)
        )
        return self._all(ReportRow, query)

    def checks(self, work_id: str) -> list[CheckResult]:
        """The last results of a Work's checks, in the spec's order."""
        query = select(*columns_of(CheckResult, checks)).where(checks.c.work_id == work_id).order_by(checks.c.position)
        return self._all(CheckResult, query)

    def checkpoints(self, workflow_id: str, *, valid_only: bool = True) -> list[Checkpoint]:
        """A Workflow's Checkpoints, in the order of their Works; with `valid_only=False` the invalidated ones too."""
        query = (
            select(*columns_of(Checkpoint, checkpoints))
            .where(checkpoints.c.workflow_id == workflow_id)
            .order_by(checkpoints.c.sequence, checkpoints.c.created_at)
        )
        return self._all(Checkpoint, query.where(checkpoints.c.invalidated_at.is_(None)) if valid_only else query)

    def worktrees(self, workflow_id: str) -> list[WorkTreeRow]:
        """A Workflow's WorkTrees by name, the removed ones included."""
        query = select(worktrees).where(worktrees.c.workflow_id == workflow_id).order_by(worktrees.c.git)
        return self._all(WorkTreeRow, query)

    def lease(self, workflow_id: str) -> LeaseRow | None:
        """Who performs a Workflow; None where nobody ever did."""
        found = self._connection.execute(_LEASE, {"row_id": workflow_id}).mappings().one_or_none()
        if found is None:
            return None
        held = None
        if found["host"] is not None:
            held = Holder(host=found["host"], pid=found["pid"], process_started=found["process_started"])
        expires_at = found["expires_at"]
        return LeaseRow(
            workflow_id=workflow_id,
            token=found["token"],
            holder=held,
            expired=expires_at is None or expires_at <= self.now,
        )

    def requests(self, workflow_id: str | None = None, *, kind: RequestKind | None = None) -> list[RequestRow]:
        """What was asked of one Workflow, or of all, and is not done yet; oldest first."""
        query = select(*columns_of(RequestRow, requests)).order_by(requests.c.requested_at, requests.c.workflow_id)
        if workflow_id is not None:
            query = query.where(requests.c.workflow_id == workflow_id)
        return self._all(RequestRow, query if kind is None else query.where(requests.c.kind == kind))

    def usage(self, workflow_id: str, *, work_id: str | None = None) -> Usage:
        """What the queries of a Workflow, or of one of its Works, used so far."""
        query = select(tasks.c.input_tokens, tasks.c.output_tokens, tasks.c.cost_usd)
        query = query.where(tasks.c.workflow_id == workflow_id)
        used = self._connection.execute(query if work_id is None else query.where(tasks.c.work_id == work_id)).all()
        read = [row.input_tokens for row in used if row.input_tokens is not None]
        written = [row.output_tokens for row in used if row.output_tokens is not None]
        costs = [row.cost_usd for row in used if row.cost_usd is not None]
        return Usage(
            input_tokens=sum(read) if read else None,
            output_tokens=sum(written) if written else None,
            cost_usd=sum(costs, Decimal(0)) if costs else None,
        )

    def events(self, workflow_id: str | None = None, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Events behind the position `after`, oldest first, of one Workflow or of all."""
        query = _event_query().where(events.c.position > after).limit(limit)
        return self._all(Event, query if workflow_id is None else query.where(events.c.workflow_id == workflow_id))

    def pending_events(self, limit: int = 100) -> list[Event]:
        """Events that the relay has yet to hand over, oldest first."""
        return self._all(Event, _event_query().where(events.c.published_at.is_(None)).limit(limit))

    def still_pending(self, event_ids: Sequence[str]) -> list[Event]:
        """Those of these events that are not handled yet, oldest first."""
        wanted = events.c.id.in_(event_ids)
        return self._all(Event, _event_query().where(wanted, events.c.published_at.is_(None)))

    def claimable_events(self) -> bool:
        """Whether an event is pending that nobody has claimed."""
        free = or_(events.c.claimed_until.is_(None), events.c.claimed_until <= self.now)
        query = select(events.c.position).where(events.c.published_at.is_(None), free).limit(1)
        return self._connection.execute(query).first() is not None

    def dead_letters(self, *, asked_only: bool = False, limit: int = 1000) -> list[DeadLetterRow]:
        """Events that a handler gave up on, oldest first; with `asked_only` those to be handed over again."""
        query = select(*columns_of(DeadLetterRow, dead_letters)).order_by(dead_letters.c.failed_at, dead_letters.c.id)
        asked = dead_letters.c.retry_asked_at.is_not(None)
        return self._all(DeadLetterRow, (query.where(asked) if asked_only else query).limit(limit))

    def firing(self, firing_id: str) -> FiringRow:
        """One firing."""
        return self._one(FiringRow, _FIRING, "firing", firing_id)

    def firing_of(self, workflow_id: str) -> FiringRow | None:
        """The firing that a Workflow came from, if any."""
        found = self._all(FiringRow, _firings().where(firings.c.workflow_id == workflow_id))
        return found[0] if found else None

    def last_firing(self, workflow: str, trigger: str) -> FiringRow | None:
        """The newest firing of a trigger."""
        named = (firings.c.workflow == workflow, firings.c.trigger == trigger)
        # Of one millisecond, the one that no other was made after: keys of pushes name the one before.
        found = self._all(FiringRow, _firings().where(*named).order_by(firings.c.fired_at.desc()).limit(1))
        return found[0] if found else None

    def waiting_firings(self, workflow: str | None = None, trigger: str | None = None) -> list[FiringRow]:
        """Firings that no run was launched for yet and that nobody is launching, oldest first."""
        free = or_(firings.c.claimed_until.is_(None), firings.c.claimed_until <= self.now)
        query = _firings().where(firings.c.status == FiringStatus.WAITING, free).order_by(firings.c.fired_at)
        if workflow is not None:
            query = query.where(firings.c.workflow == workflow)
        return self._all(
            FiringRow, (query if trigger is None else query.where(firings.c.trigger == trigger)).limit(5000)
        )

    def firings(self, workflow: str, *, limit: int = 100) -> list[FiringRow]:
        """A workflow's firings, newest first."""
        query = _firings().where(firings.c.workflow == workflow).order_by(firings.c.fired_at.desc())
        return self._all(FiringRow, query.limit(limit))

    def publications(self, workflow_id: str) -> list[PublicationRow]:
        """What was published of a Workflow, by Git."""
        query = select(publications).where(publications.c.workflow_id == workflow_id).order_by(publications.c.git)
        return self._all(PublicationRow, query)

    def was_handled(self, handler: str, event_id: str) -> bool:
        """Whether `handle_once` was True for these two."""
        query = select(handlings.c.handler).where(handlings.c.handler == handler, handlings.c.event_id == event_id)
        return self._connection.execute(query).first() is not None

    def open_workflows(self, name: str) -> list[WorkflowRow]:
        """The Workflows of a spec that wait in the queue or run."""
        unended = workflows.c.status.in_([WorkflowStatus.CREATED, WorkflowStatus.READY, WorkflowStatus.RUNNING])
        return self._all(WorkflowRow, select(workflows).where(workflows.c.workflow == name, unended))

    def event(self, event_id: str) -> Event:
        """One event."""
        return self._one(Event, _EVENT, "event", event_id)

    def pending_event_count(self) -> int:
        """How many events the relay has yet to hand over (`event.queue.depth`)."""
        return self._connection.execute(
            select(func.count()).select_from(events).where(events.c.published_at.is_(None))
        ).scalar_one()

    def metric_rows(self) -> list[metrics.MetricRow]:
        """The stored cells of all metrics; as many as there are series, however many events there were."""
        return metrics.read_metrics(self._connection, self.now)

    def state_counts(self) -> metrics.StateCounts:
        """What stands now, counted over whole tables."""
        return metrics.count_states(self._connection, self.now)

    def run_worker(self, run_id: str) -> RunWorkerRow | None:
        """The process that performs the run, or did; None where no launcher of ours started one."""
        found = self._all(RunWorkerRow, select(run_workers).where(run_workers.c.run_id == run_id))
        return found[0] if found else None

    def run_workers(self, host: str, *, limit: int = 1000) -> list[RunWorkerRow]:
        """The youngest run workers of a machine, those that have ended included."""
        query = select(run_workers).where(run_workers.c.host == host).order_by(run_workers.c.launched_at.desc())
        return self._all(RunWorkerRow, query.limit(limit))

    def _all(self, row: type[Row], query: Executable) -> list[Row]:
        return [row(**_fields(found)) for found in self._connection.execute(query).mappings()]

    def _one(self, row: type[Row], query: Executable, kind: str, id: str, values: Mapping[str, Any] = _NONE) -> Row:
        """The row that `query` finds under the id, given it as the parameter `row_id`."""
        found = self._connection.execute(query, {"row_id": id, **values}).mappings().one_or_none()
        if found is None:
            raise NotFound(kind=kind, id=id)
        return row(**_fields(found))


def _fields(found: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in found.items()}


def columns_of(row: type[Any], table: Table) -> list[Any]:
    """The columns that a row class has a field for."""
    return [table.c[field.name] for field in fields(row)]


def _firings() -> Select[Any]:
    return select(*columns_of(FiringRow, firings))


def _event_query() -> Select[Any]:
    return select(*columns_of(Event, events)).order_by(events.c.position)
