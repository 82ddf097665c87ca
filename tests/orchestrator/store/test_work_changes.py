"""Works and the Checkpoints they end in."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import IllegalTransition, NotFound, StoreError
from orchestrator.domain.states import TaskStatus, WorkStatus
from orchestrator.store import Store
from orchestrator.store.rows import NewReport, TaskResult
from tests.orchestrator.store.examples import DIAGNOSE, FIX, ID, SURVEY, create, event_types

COMMITS = {"api": "a" * 40, "web": "b" * 40}


def complete(store: Store) -> str:
    store.write(lambda tx: tx.start_work(DIAGNOSE))
    checkpoint_id = store.write(lambda tx: tx.reserve_checkpoint(DIAGNOSE))
    store.write(lambda tx: tx.complete_work(DIAGNOSE, COMMITS))
    return checkpoint_id


def test_a_work_is_started_again_after_a_failure_a_pause_and_a_dead_worker(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_work(DIAGNOSE))
    failed = store.write(lambda tx: tx.fail_work(DIAGNOSE, "agent crashed"))
    store.write(lambda tx: tx.start_work(DIAGNOSE))
    store.write(lambda tx: tx.pause_work(DIAGNOSE))
    store.write(lambda tx: tx.start_work(DIAGNOSE))
    work = store.write(lambda tx: tx.start_work(DIAGNOSE))

    assert (failed.status, failed.error) == (WorkStatus.FAILED, "agent crashed")
    assert (work.status, work.attempt, work.error, work.ended_at) == (WorkStatus.RUNNING, 4, None, None)
    assert event_types(store)[1:] == ["WorkStarted", "WorkFailed", "WorkStarted", "WorkStarted", "WorkStarted"]


def test_a_work_completes_with_its_checkpoint_under_the_reserved_id(store: Store) -> None:
    create(store)
    checkpoint_id = complete(store)

    [checkpoint] = store.read(lambda reader: reader.checkpoints(ID))
    assert (checkpoint.id, checkpoint.sequence, checkpoint.work) == (checkpoint_id, 1, "diagnose")
    assert checkpoint.commits == COMMITS
    assert event_types(store)[1:] == ["WorkStarted", "WorkCompleted", "CheckpointCreated"]
    told = store.read(lambda reader: reader.events(ID))[-1]
    assert told.context["checkpointId"] == checkpoint_id
    assert told.context["commits"] == COMMITS


def test_a_reserved_checkpoint_id_outlives_the_attempt_that_reserved_it(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_work(DIAGNOSE))
    reserved = store.write(lambda tx: tx.reserve_checkpoint(DIAGNOSE))
    store.write(lambda tx: tx.start_work(DIAGNOSE))

    assert store.write(lambda tx: tx.reserve_checkpoint(DIAGNOSE)) == reserved
    assert store.read(lambda reader: reader.checkpoints(ID)) == []


def test_completing_a_work_again_returns_the_same_checkpoint_and_tells_nothing(store: Store) -> None:
    create(store)
    complete(store)
    told = event_types(store)

    again = store.write(lambda tx: tx.complete_work(DIAGNOSE, {"api": "c" * 40}))
    assert again == store.read(lambda reader: reader.checkpoints(ID))[0]
    assert again.commits == COMMITS
    assert event_types(store) == told


def test_a_work_without_a_reserved_id_cannot_complete(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_work(DIAGNOSE))

    with pytest.raises(StoreError, match="call reserve_checkpoint"):
        store.write(lambda tx: tx.complete_work(DIAGNOSE, COMMITS))


def test_a_work_that_does_not_run_cannot_end(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.reserve_checkpoint(DIAGNOSE))

    with pytest.raises(IllegalTransition, match="is PENDING and cannot become COMPLETED"):
        store.write(lambda tx: tx.complete_work(DIAGNOSE, COMMITS))
    with pytest.raises(IllegalTransition):
        store.write(lambda tx: tx.pause_work(DIAGNOSE))
    with pytest.raises(IllegalTransition):
        store.write(lambda tx: tx.fail_work(DIAGNOSE, "x"))


def test_cancelling_leaves_completed_works(store: Store) -> None:
    create(store)
    complete(store)
    store.write(lambda tx: tx.cancel_works(ID))

    works = store.read(lambda reader: reader.works(ID))
    assert [work.status for work in works] == [WorkStatus.COMPLETED, WorkStatus.CANCELLED]


def test_an_invalidated_checkpoint_stays_as_history_and_its_work_runs_again(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.start_task(SURVEY, 10))
    report = NewReport(title="Survey", path="/r/survey.md", bytes=5)
    store.write(lambda tx: tx.complete_task(SURVEY, TaskResult(stop_reason="end_turn", duration_ms=1), report))
    checkpoint_id = complete(store)
    store.write(lambda tx: tx.invalidate_checkpoint(checkpoint_id))
    store.write(lambda tx: tx.invalidate_checkpoint(checkpoint_id))

    assert store.read(lambda reader: reader.checkpoints(ID)) == []
    [history] = store.read(lambda reader: reader.checkpoints(ID, valid_only=False))
    assert history.invalidated_at is not None
    assert store.read(lambda reader: reader.work(DIAGNOSE)).status is WorkStatus.PENDING
    assert store.read(lambda reader: reader.task(SURVEY)).status is TaskStatus.PENDING
    assert store.read(lambda reader: reader.reports(ID))[0].stale
    assert event_types(store).count("CheckpointInvalidated") == 1
    assert complete(store) != checkpoint_id


def test_a_session_is_kept_for_the_next_attempt(store: Store) -> None:
    create(store)
    store.write(lambda tx: tx.set_session(FIX, "session-1"))

    assert store.write(lambda tx: tx.start_work(FIX)).session_id == "session-1"


def test_an_unknown_work_is_named(store: Store) -> None:
    with pytest.raises(NotFound, match="no work with id 'wk-none'"):
        store.write(lambda tx: tx.start_work("wk-none"))
