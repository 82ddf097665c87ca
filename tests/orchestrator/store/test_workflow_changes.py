"""Creating Workflows and moving them from status to status."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain import ids
from orchestrator.domain.errors import IllegalTransition, NotFound
from orchestrator.domain.events import EventType
from orchestrator.domain.states import PauseReason, TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.store import Store
from orchestrator.store.rows import NewWorkTree
from tests.orchestrator.store.examples import ID, WORKFLOW, change, create, event_types, run


def test_a_new_workflow_waits_with_all_its_works_and_tasks(store: Store) -> None:
    row = create(store)

    assert (row.status, row.correlation_id, row.chain, row.inputs) == (
        WorkflowStatus.CREATED,
        f"{ID}-001",
        1,
        {"focus": "HTTP handlers", "depth": 3},
    )
    works = store.read(lambda reader: reader.works(ID))
    assert [(w.name, w.sequence, w.status, w.model) for w in works] == [
        ("diagnose", 1, WorkStatus.PENDING, "claude-sonnet-4-5"),
        ("fix", 2, WorkStatus.PENDING, None),
    ]
    tasks = store.read(lambda reader: reader.tasks(ID))
    assert [(t.name, t.position, t.status) for t in tasks] == [
        ("survey", 1, TaskStatus.PENDING),
        ("rank", 2, TaskStatus.PENDING),
        ("patch", 1, TaskStatus.PENDING),
    ]


def test_creating_a_workflow_again_returns_the_first_and_tells_nothing(store: Store) -> None:
    first = create(store)
    again, created = store.write(lambda tx: tx.create_workflow(replace(WORKFLOW, inputs={"focus": "other"})))

    assert not created
    assert again == first
    assert event_types(store) == ["WorkflowCreated"]


def test_a_workflow_of_a_spec_that_is_not_stored_is_refused(store: Store) -> None:
    with pytest.raises(NotFound, match="no spec with id 'd1'"):
        store.write(lambda tx: tx.create_workflow(WORKFLOW))


def test_the_callers_correlation_id_is_kept(store: Store) -> None:
    assert create(store, replace(WORKFLOW, correlation_id="req-1")).correlation_id == "req-1"


def test_one_execution_tells_its_chain_under_one_correlation_id(store: Store) -> None:
    create(store)
    run(store)
    change(store, WorkflowStatus.PAUSED, reason=PauseReason.OPERATOR)
    change(store, WorkflowStatus.RUNNING)
    done = change(store, WorkflowStatus.COMPLETED)

    assert event_types(store) == [
        "WorkflowCreated",
        "WorkflowStatusChanged",  # READY means nothing more
        "WorkflowStatusChanged",
        "WorkflowStarted",
        "WorkflowStatusChanged",
        "WorkflowPaused",
        "WorkflowStatusChanged",
        "WorkflowResumed",
        "WorkflowStatusChanged",
        "WorkflowCompleted",
    ]
    events = store.read(lambda reader: reader.events(ID))
    assert {(e.correlation_id, e.workflow) for e in events} == {(f"{ID}-001", "harden_api")}
    assert [e.position for e in events] == sorted(e.position or 0 for e in events)
    assert done.started_at is not None
    assert done.ended_at is not None
    assert events[-1].duration_ms == round((done.ended_at - done.started_at).total_seconds() * 1000)
    assert [e.duration_ms for e in events[:-1]] == [None] * 9


def test_a_status_change_names_both_states_and_the_reason(store: Store) -> None:
    create(store)
    run(store)
    row = change(store, WorkflowStatus.PAUSED, reason=PauseReason.DISK)

    told = store.read(lambda reader: reader.events(ID))[-1]
    assert told.context == {"previousStatus": "RUNNING", "newStatus": "PAUSED", "reason": "disk", "error": None}
    assert row.pause_reason is PauseReason.DISK


def test_a_resume_after_a_failure_clears_the_error_and_keeps_the_start(store: Store) -> None:
    create(store)
    run(store)
    failed = change(store, WorkflowStatus.FAILED, error="agent crashed")
    resumed = change(store, WorkflowStatus.RUNNING)

    assert failed.error == "agent crashed"
    assert failed.ended_at is not None
    assert (resumed.error, resumed.ended_at, resumed.started_at) == (None, None, failed.started_at)
    assert event_types(store)[-1] == "WorkflowResumed"


def test_a_workflow_that_failed_before_it_ever_ran_starts_when_it_is_taken_up(store: Store) -> None:
    create(store)
    change(store, WorkflowStatus.FAILED, error="worker killed")
    change(store, WorkflowStatus.RUNNING)
    assert event_types(store)[-1] == "WorkflowStarted"


def test_a_cancelled_workflow_still_says_why_it_had_failed(store: Store) -> None:
    create(store)
    change(store, WorkflowStatus.FAILED, error="no such ref")

    cancelled = change(store, WorkflowStatus.CANCELLED)
    assert (cancelled.error, cancelled.started_at) == ("no such ref", None)
    assert store.read(lambda reader: reader.events(ID))[-1].duration_ms is None


def test_a_roll_back_starts_the_next_chain(store: Store) -> None:
    create(store)
    run(store)
    change(store, WorkflowStatus.COMPLETED)
    row = change(store, WorkflowStatus.PAUSED, reason=PauseReason.ROLLBACK)

    assert (row.chain, row.correlation_id, row.ended_at) == (2, f"{ID}-002", None)
    told = store.read(lambda reader: reader.events(ID))[-1]
    assert (told.type, told.correlation_id) == (EventType.WORKFLOW_ROLLED_BACK, f"{ID}-002")


def test_an_illegal_change_changes_nothing(store: Store) -> None:
    before = create(store)

    with pytest.raises(IllegalTransition, match="is CREATED and cannot become COMPLETED"):
        change(store, WorkflowStatus.COMPLETED)
    assert store.read(lambda reader: reader.workflow(ID)) == before
    assert event_types(store) == ["WorkflowCreated"]


def test_the_same_change_twice_is_illegal(store: Store) -> None:
    create(store)
    change(store, WorkflowStatus.READY)

    with pytest.raises(IllegalTransition):
        change(store, WorkflowStatus.READY)


def test_an_error_text_with_bytes_that_no_database_takes_is_stored_readable(store: Store) -> None:
    create(store)

    row = change(store, WorkflowStatus.FAILED, error="agent said \0 and \udc80")
    assert row.error == "agent said \ufffd and ?"
    assert store.read(lambda reader: reader.events(ID))[-1].context["error"] == "agent said \0 and \udc80"


def test_a_resume_notes_its_own_run(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.set_run(ID, "run-2"))

    assert store.read(lambda reader: reader.workflow(ID)).run_id == "run-2"


def test_a_worktree_is_recorded_without_credentials_and_can_stand_again(store: Store) -> None:
    create(store)
    new = NewWorkTree(
        workflow_id=ID,
        git="api",
        url="https://oauth2:t0ken@host/acme/api.git",
        ref="main",
        path="/w/api",
        branch=f"orchestrator/{ID}",
        base_commit="a" * 40,
    )
    first = store.write(lambda tx: tx.record_worktree(new))
    store.write(lambda tx: tx.record_worktree(replace(new, url="https://host/acme/api.git", base_commit="b" * 40)))

    [row] = store.read(lambda reader: reader.worktrees(ID))
    assert (row.url, row.base_commit, row.git_id) == ("https://host/acme/api.git", "b" * 40, first.git_id)
    assert row.git_id == ids.git_id("https://host/acme/api.git")


def test_an_event_without_a_workflow_needs_a_correlation_id(store: Store) -> None:
    with pytest.raises(ValueError, match="needs a correlation_id"):
        store.write(lambda tx: tx.add_event(EventType.DISK_SPACE_LOW))

    told = store.write(lambda tx: tx.add_event(EventType.DISK_SPACE_LOW, correlation_id="tick-1", context={"gb": 4}))
    assert store.read(lambda reader: reader.events()) == [told]


def test_an_event_of_a_workflow_takes_its_name_and_correlation_id(store: Store) -> None:
    create(store)
    told = store.write(lambda tx: tx.add_event(EventType.AGENT_STARTED, workflow_id=ID, work_id="wk-1"))

    assert (told.workflow, told.correlation_id, told.work_id) == ("harden_api", f"{ID}-001", "wk-1")
