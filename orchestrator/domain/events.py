"""Domain events: facts, written once in the transaction that made them true, then carried by the bus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """The closed list of requirements section 0."""

    WORKFLOW_CREATED = "WorkflowCreated"
    WORKFLOW_STATUS_CHANGED = "WorkflowStatusChanged"
    WORKFLOW_STARTED = "WorkflowStarted"
    WORK_STARTED = "WorkStarted"
    QUERY_SENT = "QuerySent"
    QUERY_RESPONDED = "QueryResponded"
    REPORT_GENERATED = "ReportGenerated"
    WORK_COMPLETED = "WorkCompleted"
    WORK_FAILED = "WorkFailed"
    CHECKPOINT_CREATED = "CheckpointCreated"
    CHECKPOINT_INVALIDATED = "CheckpointInvalidated"
    WORKFLOW_PAUSED = "WorkflowPaused"
    WORKFLOW_RESUMED = "WorkflowResumed"
    WORKFLOW_COMPLETED = "WorkflowCompleted"
    WORKFLOW_FAILED = "WorkflowFailed"
    WORKFLOW_CANCELLED = "WorkflowCancelled"
    WORKFLOW_DELETED = "WorkflowDeleted"
    WORKFLOW_ROLLED_BACK = "WorkflowRolledBack"
    WORKTREE_REMOVED = "WorkTreeRemoved"
    REPORTS_ARCHIVED = "ReportsArchived"
    REPORTS_DELETED = "ReportsDeleted"
    DISK_SPACE_LOW = "DiskSpaceLow"
    AGENT_STARTED = "AgentStarted"
    AGENT_STOPPED = "AgentStopped"
    AGENT_CRASHED = "AgentCrashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact.

    Attributes:
        id: `ev-…`; consumers drop ids they have seen.
        position: its place in the outbox, rising; None until stored.
        correlation_id: of the chain it belongs to; never empty.
        occurred_at: the database's clock, UTC.
        context: what the event says beside the ids; JSON types only, masked where it could hold a secret.
        duration_ms: how long what it reports took, or None.
    """

    id: str
    type: EventType
    correlation_id: str
    occurred_at: datetime
    workflow_id: str | None = None
    work_id: str | None = None
    task_id: str | None = None
    workflow: str | None = None
    context: Mapping[str, Any]
    duration_ms: int | None = None
    position: int | None = None
