"""What the store takes and gives. Times are UTC by the database's clock; texts are masked before they get here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from orchestrator.domain.states import PauseReason, RequestKind, TaskStatus, WorkflowStatus, WorkStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWork:
    """A Work to be: its place is its place in `NewWorkflow.works`, from 1.

    Attributes:
        model: None where the provider picks it.
        tasks: names, in order.
    """

    name: str
    provider: str
    model: str | None = None
    tasks: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkflow:
    """A Workflow to be.

    Attributes:
        workflow: the spec's name.
        spec_digest: of a spec that `put_spec` has stored.
        inputs: name -> value, JSON types only, no secrets.
        run_id: the Dagster run that performs it, where there is one yet.
        correlation_id: the caller's; None makes `<id>-001`.
    """

    id: str
    workflow: str
    spec_digest: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    correlation_id: str | None = None
    parent_workflow_id: str | None = None
    works: Sequence[NewWork]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What came of a query.

    Attributes:
        stop_reason: in the agent's words (`end_turn`, …).
        input_tokens, output_tokens, cost_usd: as the provider reports them; None where it does not.
        answer_path: the file with the answer's text.
        snapshot: Git's name -> commit that holds the WorkTree as the Task left it.
    """

    stop_reason: str
    duration_ms: int
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    answer_path: str | None = None
    snapshot: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReport:
    """A Report whose file is written and synced.

    Attributes:
        outline: the headings asked for; `missing` those of them that the answer lacks.
        bytes: size of the file.
    """

    title: str
    path: str
    outline: Sequence[str] = ()
    missing: Sequence[str] = ()
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkTree:
    """A WorkTree that stands.

    Attributes:
        git: its name in the spec.
        url: where it was cloned from; stored without credentials.
        ref: as the spec names it; `base_commit` is what it was then.
        creation_ms: how long it took to make; None where that is not to be counted.
    """

    workflow_id: str
    git: str
    url: str
    ref: str
    path: str
    branch: str
    base_commit: str
    head_commit: str | None = None
    creation_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRow:
    """One execution of a spec.

    Attributes:
        workflow: the spec's name.
        resume_at: when the system may resume it by itself, where it is PAUSED and knows.
        trace_id: of all its spans, 32 hex digits; None for one that an earlier program accepted.
        chain: from 1; a roll back starts the next one, with a `correlation_id` of its own.
        error: why it FAILED; kept when it is cancelled afterwards.
        started_at: when it first was RUNNING; a resume does not change it.
        ended_at: None unless COMPLETED, FAILED or CANCELLED.
    """

    id: str
    workflow: str
    spec_digest: str
    status: WorkflowStatus
    pause_reason: PauseReason | None
    resume_at: datetime | None
    inputs: Mapping[str, Any]
    run_id: str | None
    trace_id: str | None
    correlation_id: str
    chain: int
    parent_workflow_id: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRow:
    """One step of a Workflow.

    Attributes:
        sequence: its place, from 1.
        attempt: how many times it was started.
        checkpoint_id: of the Checkpoint it made, or reserved before making it.
        session_id: the agent's own name for the last session.
        started_at: of the last attempt.
    """

    id: str
    workflow_id: str
    name: str
    sequence: int
    status: WorkStatus
    provider: str
    model: str | None
    attempt: int
    checkpoint_id: str | None
    session_id: str | None
    error: str | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One query of a Work; what a `TaskResult` holds is None (its snapshot empty) until it is COMPLETED.

    Attributes:
        position: its place in the Work, from 1.
        attempt: how many times its query was sent.
        query_length: in characters.
    """

    id: str
    workflow_id: str
    work_id: str
    name: str
    position: int
    status: TaskStatus
    attempt: int
    query_length: int | None
    stop_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    duration_ms: int | None
    answer_path: str | None
    snapshot: Mapping[str, str]
    error: str | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """A markdown file that a Task yielded; stale once its Task has to run again."""

    id: str
    workflow_id: str
    work_id: str
    task_id: str
    title: str
    path: str
    outline: Sequence[str]
    missing: Sequence[str]
    bytes: int
    stale: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTreeRow:
    """A git worktree of a Workflow; see `NewWorkTree`.

    Attributes:
        removing_at: since when somebody has been removing it; None unless a removal began and did not end.
        bytes: on the disk, when last measured.
    """

    workflow_id: str
    git: str
    git_id: str
    url: str
    ref: str
    path: str
    branch: str
    base_commit: str
    head_commit: str | None
    created_at: datetime
    removed_at: datetime | None
    removing_at: datetime | None = None
    bytes: int | None = None
    measured_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRow:
    """A Workflow that has ended, as far as retention asks.

    Attributes:
        keep_s: what its spec says, of what was asked for; None: what the settings say.
    """

    id: str
    status: WorkflowStatus
    ended_at: datetime
    keep_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidRow:
    """A Checkpoint that is history; see `EndedRow`."""

    id: str
    workflow_id: str
    invalidated_at: datetime
    keep_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRow:
    """The archived Reports of a Workflow.

    Attributes:
        bytes: of the archive.
        files: in it.
        digest: of the names and contents in it; see `engine.retention.archive`.
        restored_at: when they were put back beside the archive; None while they lie in the archive alone.
    """

    workflow_id: str
    path: str
    bytes: int
    files: int
    digest: str
    archived_at: datetime
    restored_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """Bytes by the rows: what was written down when it was written or measured, so that nobody has to walk files."""

    worktrees: int
    reports: int
    archives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a Workflow's finished queries used: the sum of what was reported, None where no Task reported any."""

    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A worker process, so that whoever reads it on the same host can tell whether it still lives.

    Attributes:
        process_started: seconds since the epoch; a process id alone may be another process by now.
    """

    host: str
    pid: int
    process_started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """Who performs a Workflow.

    Attributes:
        token: higher than that of every worker before: the one who holds a lower one is fenced off.
        holder: None when it was given back.
        expired: by the database's clock, when this was read.
    """

    workflow_id: str
    token: int
    holder: Holder | None
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """What somebody asked of a Workflow and nobody has done yet.

    Attributes:
        id: of a resume: what its run carries as a tag.
        reason: of a pause.
        launched: of a resume: a run is on its way.
    """

    workflow_id: str
    kind: RequestKind
    id: str
    reason: PauseReason | None
    launched: bool
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorkerRow:
    """The process that performs a run, or did; there is one for a run, ever.

    Attributes:
        host: the machine's name; `pid` and `birth` mean something there alone.
        birth: when the process began, as `ops.workers.birth_of` reads it: with the pid it names one process for good.
        log_path: what it says goes there.
    """

    run_id: str
    host: str
    pid: int
    birth: str
    log_path: str
    launched_at: datetime
