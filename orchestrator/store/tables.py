"""The tables. On PostgreSQL they live in the schema `orchestrator`; on SQLite in a file of their own, without a schema.

A change here needs a migration beside it: a test compares the two.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Named,
    Table,
    TypedColumns,
    text,
)

from orchestrator.domain.events import EventType
from orchestrator.domain.firing import FiringStatus, Overlap
from orchestrator.domain.states import PauseReason, RequestKind, TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.store.types import Money, Prose, UtcTime, one_of

SCHEMA = "orchestrator"

# Of every stored document (spec, commits). A reader that finds a higher one than it knows must refuse it.
DOCUMENT_VERSION = 1

# Constraints need names that are the same everywhere: a later migration has to be able to drop them, on SQLite too.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class SpecColumns(TypedColumns):
    """A workflow spec as text, kept for as long as a Workflow was made from it."""

    digest: Named[str] = Column(primary_key=True)
    workflow: Named[str]
    document: Named[str] = Column(Prose)
    schema_version: Named[int]
    created_at: Named[datetime] = Column(UtcTime)
    # The spec's `retention` in seconds, NULL where the settings decide: a pass looks at thousands of Workflows at once.
    keep_worktrees_s: Named[int | None]
    keep_reports_s: Named[int | None]
    keep_checkpoints_s: Named[int | None]


class GitColumns(TypedColumns):
    """A registered repository; the url never holds credentials."""

    id: Named[str] = Column(primary_key=True)
    url: Named[str] = Column(unique=True)
    created_at: Named[datetime] = Column(UtcTime)


class WorkflowColumns(TypedColumns):
    """See `rows.WorkflowRow`."""

    id: Named[str] = Column(primary_key=True)
    workflow: Named[str]
    spec_digest: Named[str] = Column(ForeignKey("specs.digest"))
    status: Named[WorkflowStatus] = Column(one_of(WorkflowStatus), index=True)
    pause_reason: Named[PauseReason | None] = Column(one_of(PauseReason))
    resume_at: Named[datetime | None] = Column(UtcTime)
    inputs: Named[dict[str, Any]] = Column(JSON)
    run_id: Named[str | None]
    trace_id: Named[str | None]
    correlation_id: Named[str]
    chain: Named[int]
    parent_workflow_id: Named[str | None] = Column(ForeignKey("workflows.id", ondelete="SET NULL"), index=True)
    error: Named[str | None] = Column(Prose)
    created_at: Named[datetime] = Column(UtcTime, index=True)
    started_at: Named[datetime | None] = Column(UtcTime)
    ended_at: Named[datetime | None] = Column(UtcTime, index=True)
    updated_at: Named[datetime] = Column(UtcTime)


class WorkColumns(TypedColumns):
    """See `rows.WorkRow`."""

    id: Named[str] = Column(primary_key=True)
    workflow_id: Named[str] = Column(ForeignKey("workflows.id", ondelete="CASCADE"), index=True)
    name: Named[str]
    sequence: Named[int]
    status: Named[WorkStatus] = Column(one_of(WorkStatus))
    provider: Named[str]
    model: Named[str | None]
    attempt: Named[int]
    checkpoint_id: Named[str | None]
    session_id: Named[str | None] = Column(Prose)
    error: Named[str | None] = Column(Prose)
    started_at: Named[datetime | None] = Column(UtcTime)
    ended_at: Named[datetime | None] = Column(UtcTime)


class TaskColumns(TypedColumns):
    """See `rows.TaskRow`."""

    id: Named[str] = Column(primary_key=True)
    workflow_id: Named[str] = Column(ForeignKey("workflows.id", ondelete="CASCADE"), index=True)
    work_id: Named[str] = Column(ForeignKey("works.id", ondelete="CASCADE"), index=True)
    name: Named[str]
    position: Named[int]
    status: Named[TaskStatus] = Column(one_of(TaskStatus))
    attempt: Named[int]
    query_length: Named[int | None]
    stop_reason: Named[str | None] = Column(Prose)
    input_tokens: Named[int | None] = Column(BigInteger)
    output_tokens: Named[int | None] = Column(BigInteger)
    cost_usd: Named[Decimal | None] = Column(Money)
    duration_ms: Named[int | None] = Column(BigInteger)
    answer_path: Named[str | None]
    snapshot: Named[dict[str, str]] = Column(JSON)
    error: Named[str | None] = Column(Prose)
    started_at: Named[datetime | None] = Column(UtcTime)
    ended_at: Named[datetime | None] = Column(UtcTime)


class ReportColumns(TypedColumns):
    """See `rows.ReportRow`."""

    id: Named[str] = Column(primary_key=True)
    workflow_id: Named[str] = Column(ForeignKey("workflows.id", ondelete="CASCADE"), index=True)
    work_id: Named[str] = Column(ForeignKey("works.id", ondelete="CASCADE"), index=True)
    task_id: Named[str] = Column(ForeignKey("tasks.id", ondelete="CASCADE"), unique=True)
    title: Named[str] = Column(Prose)
    path: Named[str]
    outline: Named[list[str]] = Column(JSON)
    missing: Named[list[str]] = Column(JSON)
    bytes: Named[int] = Column(BigInteger)
    stale: Named[bool]
    created_at: Named[datetime] = Column(UtcTime)


class CheckColumns(TypedColumns):
    """The last result of each of a Work's checks; see `domain.checks.CheckResult`."""

    work_id: Named[str] = Column(ForeignKey("works.id", ondelete="CASCADE"), primary_key=True)
    name: Named[str] = Column(primary_key=True)
    position: Named[int]
    passed: Named[bool]
    blocking: Named[bool]
    exit_code: Named[int | None]
    output: Named[str] = Column(Prose)
    duration_ms: Named[int] = Column(BigInteger)


class CheckpointColumns(TypedColumns):
    """See `domain.checkpoints.Checkpoint`."""

    id: Named[str] = Column(primary_key=True)
    workflow_id: Named[str] = Column(ForeignKey("workflows.id", ondelete="CASCADE"), index=True)
    work_id: Named[str] = Column(ForeignKey("works.id", ondelete="CASCADE"), index=True)
    work: Named[str]
    sequence: Named[int]
    commits: Named[dict[str, str]] = Column(JSON)
    schema_version: Named[int]
    created_at: Named[datetime] = Column(UtcTime)
    invalidated_at: Named[datetime | None] = Column(UtcTime)


class WorkTreeColumns(TypedColumns):
    """See `rows.WorkTreeRow`."""

    workflow_id: Named[str] = Column(ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    git: Named[str] = Column(primary_key=True)
    git_id: Named[str] = Column(ForeignKey("gits.id"), index=True)
    url: Named[str]
    ref: Named[str]
    path: Named[str]
    branch: Named[str]
    base_commit: Named[str]
    head_commit: Named[str | None]
    created_at: Named[datetime] = Column(UtcTime)
    removed_at: Named[datetime | None] = Column(UtcTime)
    removing_at: Named[datetime | None] = Column(UtcTime)
    bytes: Named[int | None] = Column(BigInteger)
    measured_at: Named[datetime | None] = Column(UtcTime)


class ArchiveColumns(TypedColumns):
    """See `rows.ArchiveRow`."""

    workflow_id: Named[str] = Column(ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    path: Named[str]
    bytes: Named[int] = Column(BigInteger)
    files: Named[int]
    digest: Named[str]
    archived_at: Named[datetime] = Column(UtcTime)
    restored_at: Named[datetime | None] = Column(UtcTime)


class OrphanColumns(TypedColumns):
    """A Workflow of which there is something on a disk and no row; no foreign key, as there is nothing to refer to."""

    workflow_id: Named[str] = Column(primary_key=True)
    seen_at: Named[datetime] = Column(UtcTime)


class NoteColumns(TypedColumns):
    """What one pass of the retention leaves for the next; see `engine.retention`."""

    name: Named[str] = Column(primary_key=True)
    value: Named[dict[str, Any]] = Column(JSON)
    noted_at: Named[datetime] = Column(UtcTime)


class EventColumns(TypedColumns):
    """The outbox; see `domain.events.Event`. No foreign key: an event outlives the Workflow that it tells about."""

    position: Named[int] = Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Named[str] = Column(unique=True)
    type: Named[EventType] = Column(one_of(EventType))
    correlation_id: Named[str]
    workflow: Named[str | None]
    workflow_id: Named[str | None]
    work_id: Named[str | None]
    task_id: Named[str | None]
    context: Named[dict[str, Any]] = Column(JSON)
    duration_ms: Named[int | None] = Column(BigInteger)
    occurred_at: Named[datetime] = Column(UtcTime)
    claimed_by: Named[str | None]
    claimed_until: Named[datetime | None] = Column(UtcTime)
    published_at: Named[datetime | None] = Column(UtcTime)


class HandlingColumns(TypedColumns):
    """That a handler has had an event: written in the transaction of its effect, it makes the effect happen once."""

    handler: Named[str] = Column(primary_key=True)
    event_id: Named[str] = Column(ForeignKey("events.id", ondelete="CASCADE"), primary_key=True)
    handled_at: Named[datetime] = Column(UtcTime)


class LeaseColumns(TypedColumns):
    """See `rows.LeaseRow`. The row stays when the lease is given back, or the next token would be an old one."""

    workflow_id: Named[str] = Column(ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    token: Named[int]
    host: Named[str | None]
    pid: Named[int | None]
    process_started: Named[float | None]
    expires_at: Named[datetime | None] = Column(UtcTime)


class RequestColumns(TypedColumns):
    """What somebody asked of a Workflow and nobody has done yet; see `rows.RequestRow`."""

    workflow_id: Named[str] = Column(ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    kind: Named[RequestKind] = Column(one_of(RequestKind), primary_key=True)
    id: Named[str]
    reason: Named[PauseReason | None] = Column(one_of(PauseReason))
    launched: Named[bool]
    requested_at: Named[datetime] = Column(UtcTime)


class MetricColumns(TypedColumns):
    """Counters, histograms and measured gauges, one number a row; see `domain.measures.Measure`."""

    name: Named[str] = Column(primary_key=True)
    labels: Named[str] = Column(primary_key=True)
    cell: Named[str] = Column(primary_key=True)
    value: Named[float] = Column(Double)


class RunWorkerColumns(TypedColumns):
    """See `rows.RunWorkerRow`. No foreign key: a run belongs to Dagster, and need not be one of a Workflow."""

    run_id: Named[str] = Column(primary_key=True)
    host: Named[str] = Column(index=True)
    pid: Named[int] = Column(BigInteger)
    birth: Named[str]
    log_path: Named[str]
    launched_at: Named[datetime] = Column(UtcTime)


class DeadLetterColumns(TypedColumns):
    """An event that a handler failed to handle for good; see `firing_rows.DeadLetterRow`."""

    id: Named[str] = Column(primary_key=True)
    handler: Named[str]
    event_id: Named[str] = Column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    error: Named[str] = Column(Prose)
    attempts: Named[int]
    failed_at: Named[datetime] = Column(UtcTime)
    retry_asked_at: Named[datetime | None] = Column(UtcTime)
    claimed_until: Named[datetime | None] = Column(UtcTime)


class DeliveryColumns(TypedColumns):
    """A webhook delivery that was accepted: the same one a second time starts nothing."""

    source: Named[str] = Column(primary_key=True)
    id: Named[str] = Column(primary_key=True)
    digest: Named[str]
    event: Named[str]
    received_at: Named[datetime] = Column(UtcTime, index=True)


class PublicationColumns(TypedColumns):
    """See `firing_rows.PublicationRow`."""

    workflow_id: Named[str] = Column(ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    git: Named[str] = Column(primary_key=True)
    branch: Named[str]
    commit: Named[str]
    published: Named[bool]
    pull_request: Named[str | None]
    error: Named[str | None] = Column(Prose)
    updated_at: Named[datetime] = Column(UtcTime)


class FiringColumns(TypedColumns):
    """See `firing_rows.FiringRow`."""

    id: Named[str] = Column(primary_key=True)
    workflow: Named[str]
    trigger: Named[str]
    kind: Named[str]
    key: Named[str]
    status: Named[FiringStatus] = Column(one_of(FiringStatus))
    overlap: Named[Overlap] = Column(one_of(Overlap))
    inputs: Named[dict[str, Any]] = Column(JSON)
    reason: Named[str] = Column(Prose)
    depth: Named[int]
    run_id: Named[str | None]
    workflow_id: Named[str | None] = Column(index=True)
    fired_at: Named[datetime] = Column(UtcTime)
    settled_at: Named[datetime | None] = Column(UtcTime)
    claimed_by: Named[str | None]
    claimed_until: Named[datetime | None] = Column(UtcTime)


specs = Table("specs", metadata, SpecColumns)
gits = Table("gits", metadata, GitColumns)
workflows = Table("workflows", metadata, WorkflowColumns)
works = Table("works", metadata, WorkColumns)
tasks = Table("tasks", metadata, TaskColumns)
reports = Table("reports", metadata, ReportColumns)
checks = Table("checks", metadata, CheckColumns)
checkpoints = Table("checkpoints", metadata, CheckpointColumns)
worktrees = Table("worktrees", metadata, WorkTreeColumns)
archives = Table("archives", metadata, ArchiveColumns)
orphans = Table("orphans", metadata, OrphanColumns)
notes = Table("notes", metadata, NoteColumns)
# AUTOINCREMENT: SQLite would give the position of a deleted last event to the next one.
events = Table("events", metadata, EventColumns, sqlite_autoincrement=True)
handlings = Table("handlings", metadata, HandlingColumns)
leases = Table("leases", metadata, LeaseColumns)
dead_letters = Table("dead_letters", metadata, DeadLetterColumns)
deliveries = Table("deliveries", metadata, DeliveryColumns)
publications = Table("publications", metadata, PublicationColumns)
firings = Table("firings", metadata, FiringColumns)
requests = Table("requests", metadata, RequestColumns)
metrics = Table("metrics", metadata, MetricColumns)
run_workers = Table("run_workers", metadata, RunWorkerColumns)

Index("ix_deliveries_source_digest", deliveries.c.source, deliveries.c.digest)
# What makes one cause one firing, whoever reports it and however often.
Index("uq_firings_workflow_trigger_key", firings.c.workflow, firings.c.trigger, firings.c.key, unique=True)
Index(
    "ix_firings_waiting",
    firings.c.fired_at,
    postgresql_where=text("status = 'WAITING'"),
    sqlite_where=text("status = 'WAITING'"),
)
Index("ix_firings_workflow_fired_at", firings.c.workflow, firings.c.fired_at)
Index("ix_events_workflow_id_position", events.c.workflow_id, events.c.position)
# The relay reads this all the time; it stays as small as what is pending, however many events there were.
Index(
    "ix_events_pending",
    events.c.position,
    postgresql_where=text("published_at IS NULL"),
    sqlite_where=text("published_at IS NULL"),
)
# What a scrape counts, by indexes as small as the count.
for _name, _column, _where in (
    ("ix_works_running", works.c.workflow_id, "status = 'RUNNING'"),
    ("ix_worktrees_standing", worktrees.c.workflow_id, "removed_at IS NULL"),
    ("ix_checkpoints_invalid", checkpoints.c.invalidated_at, "invalidated_at IS NOT NULL"),
):
    Index(_name, _column, postgresql_where=text(_where), sqlite_where=text(_where))
