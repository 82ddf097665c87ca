"""States of Workflows, Works and Tasks, and the transitions that are legal between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orchestrator.domain.errors import IllegalTransition


class WorkflowStatus(StrEnum):
    """One execution of a spec, from accepted to ended."""

    CREATED = "CREATED"
    READY = "READY"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class WorkStatus(StrEnum):
    """One step of a Workflow. COMPLETED means that its Checkpoint exists."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class TaskStatus(StrEnum):
    """One query of a Work. COMPLETED means that its answer and its snapshot are durable."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class PauseReason(StrEnum):
    """Why a Workflow is PAUSED: a closed list."""

    OPERATOR = "operator"
    SHUTDOWN = "shutdown"
    BUDGET = "budget"
    QUOTA = "quota"
    DISK = "disk"
    APPROVAL = "approval"
    ROLLBACK = "rollback"


class RequestKind(StrEnum):
    """What may be asked of a Workflow while another process has it, or before a run is there to do it."""

    PAUSE = "pause"
    CANCEL = "cancel"
    RESUME = "resume"


_W = WorkflowStatus
WORKFLOW_TRANSITIONS: Mapping[WorkflowStatus, frozenset[WorkflowStatus]] = {
    _W.CREATED: frozenset({_W.READY, _W.FAILED, _W.CANCELLED}),
    _W.READY: frozenset({_W.RUNNING, _W.FAILED, _W.CANCELLED}),
    _W.RUNNING: frozenset({_W.COMPLETED, _W.FAILED, _W.PAUSED, _W.CANCELLED}),
    # To PAUSED from PAUSED, FAILED and COMPLETED are roll backs; `check_workflow_transition` demands the reason.
    _W.PAUSED: frozenset({_W.RUNNING, _W.CANCELLED, _W.PAUSED}),
    _W.FAILED: frozenset({_W.RUNNING, _W.CANCELLED, _W.PAUSED}),
    _W.COMPLETED: frozenset({_W.PAUSED}),
    _W.CANCELLED: frozenset(),
}

_K = WorkStatus
WORK_TRANSITIONS: Mapping[WorkStatus, frozenset[WorkStatus]] = {
    _K.PENDING: frozenset({_K.RUNNING, _K.CANCELLED}),
    _K.RUNNING: frozenset({_K.COMPLETED, _K.FAILED, _K.PAUSED, _K.CANCELLED}),
    _K.PAUSED: frozenset({_K.RUNNING, _K.CANCELLED, _K.PENDING}),
    _K.FAILED: frozenset({_K.RUNNING, _K.CANCELLED, _K.PENDING}),
    # Back to PENDING: its Checkpoint was invalidated by a roll back or a new order.
    _K.COMPLETED: frozenset({_K.PENDING}),
    _K.CANCELLED: frozenset(),
}

_T = TaskStatus
TASK_TRANSITIONS: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    _T.PENDING: frozenset({_T.RUNNING}),
    # RUNNING -> RUNNING: a worker died in the query, the next one sends it again.
    _T.RUNNING: frozenset({_T.COMPLETED, _T.FAILED, _T.PENDING, _T.RUNNING}),
    _T.FAILED: frozenset({_T.RUNNING, _T.PENDING}),
    _T.COMPLETED: frozenset({_T.PENDING}),
}

ENDED = frozenset({WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED})


def check_workflow_transition(
    workflow_id: str, from_status: WorkflowStatus, to_status: WorkflowStatus, reason: PauseReason | None = None
) -> None:
    """Raise `IllegalTransition` unless the change is in the table; PAUSED needs a reason, nothing else takes one."""
    if to_status not in WORKFLOW_TRANSITIONS[from_status]:
        raise IllegalTransition(what=f"workflow {workflow_id}", from_status=from_status, to_status=to_status)
    if (to_status is WorkflowStatus.PAUSED) != (reason is not None):
        raise IllegalTransition(
            what=f"workflow {workflow_id} (reason {reason or 'missing'})", from_status=from_status, to_status=to_status
        )
    if (
        to_status is WorkflowStatus.PAUSED
        and from_status is not WorkflowStatus.RUNNING
        and reason is not PauseReason.ROLLBACK
    ):
        raise IllegalTransition(
            what=f"workflow {workflow_id} (reason {reason})", from_status=from_status, to_status=to_status
        )


def check_work_transition(work_id: str, from_status: WorkStatus, to_status: WorkStatus) -> None:
    """Raise `IllegalTransition` unless the change is one of the table's."""
    if to_status not in WORK_TRANSITIONS[from_status]:
        raise IllegalTransition(what=f"work {work_id}", from_status=from_status, to_status=to_status)


def check_task_transition(task_id: str, from_status: TaskStatus, to_status: TaskStatus) -> None:
    """Raise `IllegalTransition` unless the change is one of the table's."""
    if to_status not in TASK_TRANSITIONS[from_status]:
        raise IllegalTransition(what=f"task {task_id}", from_status=from_status, to_status=to_status)
