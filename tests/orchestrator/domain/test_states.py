"""The state machines of Workflow, Work and Task."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import IllegalTransition
from orchestrator.domain.states import (
    WORKFLOW_TRANSITIONS,
    PauseReason,
    TaskStatus,
    WorkflowStatus,
    WorkStatus,
    check_task_transition,
    check_work_transition,
    check_workflow_transition,
)

W = WorkflowStatus

# Requirements section 0, written out again by hand: from, to, reasons that are taken.
LEGAL: dict[tuple[WorkflowStatus, WorkflowStatus], set[PauseReason | None]] = {
    (W.CREATED, W.READY): {None},
    (W.READY, W.RUNNING): {None},
    (W.RUNNING, W.COMPLETED): {None},
    (W.RUNNING, W.FAILED): {None},
    (W.RUNNING, W.PAUSED): set(PauseReason),
    (W.RUNNING, W.CANCELLED): {None},
    (W.PAUSED, W.RUNNING): {None},
    (W.FAILED, W.RUNNING): {None},
    (W.CREATED, W.CANCELLED): {None},
    (W.READY, W.CANCELLED): {None},
    (W.PAUSED, W.CANCELLED): {None},
    (W.FAILED, W.CANCELLED): {None},
    (W.CREATED, W.FAILED): {None},
    (W.READY, W.FAILED): {None},
    (W.COMPLETED, W.PAUSED): {PauseReason.ROLLBACK},
    (W.FAILED, W.PAUSED): {PauseReason.ROLLBACK},
    (W.PAUSED, W.PAUSED): {PauseReason.ROLLBACK},
}


@pytest.mark.parametrize("before", list(W))
@pytest.mark.parametrize("after", list(W))
@pytest.mark.parametrize("reason", [None, *PauseReason])
def test_a_workflow_changes_as_the_requirements_say_and_in_no_other_way(
    before: WorkflowStatus, after: WorkflowStatus, reason: PauseReason | None
) -> None:
    if reason in LEGAL.get((before, after), set()):
        check_workflow_transition("wf-1", before, after, reason)
    else:
        with pytest.raises(IllegalTransition, match=f"is {before} and cannot become {after}"):
            check_workflow_transition("wf-1", before, after, reason)


def test_every_state_but_cancelled_can_be_left() -> None:
    assert {status for status, after in WORKFLOW_TRANSITIONS.items() if not after} == {W.CANCELLED}


def test_a_completed_work_runs_again_only_by_way_of_pending() -> None:
    check_work_transition("wk-1", WorkStatus.COMPLETED, WorkStatus.PENDING)
    with pytest.raises(IllegalTransition, match="work wk-1 is COMPLETED and cannot become RUNNING"):
        check_work_transition("wk-1", WorkStatus.COMPLETED, WorkStatus.RUNNING)


def test_a_finished_task_is_not_asked_again_by_accident() -> None:
    with pytest.raises(IllegalTransition, match="task tk-1 is COMPLETED and cannot become RUNNING"):
        check_task_transition("tk-1", TaskStatus.COMPLETED, TaskStatus.RUNNING)
