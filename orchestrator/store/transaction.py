"""Everything that one transaction can do."""

from __future__ import annotations

from orchestrator.store.dead_letter_changes import DeadLetterChanges
from orchestrator.store.firing_changes import FiringChanges
from orchestrator.store.lease_changes import LeaseChanges
from orchestrator.store.outbox import OutboxChanges
from orchestrator.store.retention_changes import RetentionChanges
from orchestrator.store.run_worker_changes import RunWorkerChanges
from orchestrator.store.task_changes import TaskChanges
from orchestrator.store.work_changes import WorkChanges
from orchestrator.store.workflow_changes import WorkflowChanges


class Transaction(
    WorkflowChanges,
    WorkChanges,
    TaskChanges,
    LeaseChanges,
    RunWorkerChanges,
    OutboxChanges,
    RetentionChanges,
    DeadLetterChanges,
    FiringChanges,
):
    """The queries of `Reader`, and the changes; each writes the events that tell of it."""
