"""Whatever is asked of a Workflow, in whatever order: what is legal happens whole, what is not changes nothing.

To add a use case: a line in `REQUESTS`; what it must keep to beside that: an invariant.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from orchestrator.domain import ids
from orchestrator.domain.checkpoints import Checkpoint
from orchestrator.domain.errors import Cancelled, LeaseLost, OrchestratorError, Paused, WrongState
from orchestrator.domain.events import Event, EventType
from orchestrator.domain.states import (
    ENDED,
    TASK_TRANSITIONS,
    WORK_TRANSITIONS,
    WORKFLOW_TRANSITIONS,
    PauseReason,
    TaskStatus,
    WorkflowStatus,
    WorkStatus,
)
from orchestrator.engine.control import ask_pause, ask_resume
from orchestrator.engine.ended import run_ended
from orchestrator.engine.endings import write_down
from orchestrator.store import Reader, Store, Transaction, open_store
from orchestrator.store.rows import NewReport, ReportRow, TaskResult, TaskRow, WorkflowRow, WorkRow
from tests.orchestrator.store.examples import ID, WORKFLOW, create

_RUN = WORKFLOW.run_id or ""


def asked(ask: Callable[[Store, str], object], store: Store) -> None:
    """What the state does not allow is refused, and that is all right."""
    with suppress(WrongState):
        ask(store, ID)


# What anybody may ask of a Workflow at any time.
REQUESTS: Mapping[str, Callable[[Store], object]] = {
    "paused": lambda store: write_down(store, ID, Paused("asked", reason=PauseReason.OPERATOR)),
    "shut down": lambda store: write_down(store, ID, Paused("told", reason=PauseReason.SHUTDOWN)),
    "lease lost": lambda store: write_down(store, ID, LeaseLost("taken over")),
    "ask pause": lambda store: asked(ask_pause, store),
    "ask resume": lambda store: asked(ask_resume, store),
    "run failed": lambda store: run_ended(store, workflow_id=ID, run_id=_RUN, cancelled=False, error="killed"),
}
# Likewise, and it is over.
ENDINGS: Mapping[str, Callable[[Store], object]] = {
    "terminate": lambda store: write_down(store, ID, Cancelled("terminated")),
    "run cancelled": lambda store: run_ended(store, workflow_id=ID, run_id=_RUN, cancelled=True, error=None),
}
_EVENTS_BEFORE_AN_END = 15
# What may be said at any time too, and changes nothing.
REMARKS: Mapping[str, Callable[[Store], object]] = {
    "another run failed": lambda store: run_ended(store, workflow_id=ID, run_id="other", cancelled=False, error=None),
    "it is created again": lambda store: create(store),
}

_WORKS = [ids.work_id(ID, work.name) for work in WORKFLOW.works]
_TASKS = [ids.task_id(ID, work.name, task) for work in WORKFLOW.works for task in work.tasks]
_RESULT = TaskResult(stop_reason="end_turn", duration_ms=5, snapshot={"api": "a" * 40})
_REPORT = NewReport(title="Look", path="/reports/look.md", bytes=9)

# Where a worker takes a Workflow from here.
_NEXT = {
    WorkflowStatus.CREATED: WorkflowStatus.READY,
    WorkflowStatus.READY: WorkflowStatus.RUNNING,
    WorkflowStatus.PAUSED: WorkflowStatus.RUNNING,
    WorkflowStatus.FAILED: WorkflowStatus.RUNNING,
    WorkflowStatus.RUNNING: WorkflowStatus.COMPLETED,
}


def _change(tx: Transaction, to: WorkflowStatus) -> None:
    tx.change_workflow(ID, to)


_of_work: Mapping[str, Callable[[Transaction, str], object]] = {
    "start": lambda tx, id: tx.start_work(id),
    "pause": lambda tx, id: tx.pause_work(id),
    "fail": lambda tx, id: tx.fail_work(id, "broken"),
    "reserve": lambda tx, id: tx.reserve_checkpoint(id),
    "complete": lambda tx, id: tx.complete_work(id, {"api": "a" * 40}),
}
_of_task: Mapping[str, Callable[[Transaction, str], object]] = {
    "start": lambda tx, id: tx.start_task(id, query_length=3),
    "complete": lambda tx, id: tx.complete_task(id, _RESULT, _REPORT),
    "fail": lambda tx, id: tx.fail_task(id, "broken"),
    "put back": lambda tx, id: tx.put_back_task(id),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that the store holds of the Workflow."""

    workflow: WorkflowRow
    works: tuple[WorkRow, ...]
    tasks: tuple[TaskRow, ...]
    reports: tuple[ReportRow, ...]
    checkpoints: tuple[Checkpoint, ...]
    events: tuple[Event, ...]


class AnySequence(RuleBasedStateMachine):
    """One Workflow in a store of its own.

    Attributes:
        folder: holds `template.db`, a migrated database: a migration for every example would take most of the time.
    """

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self._own = Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copyfile(self.folder / "template.db", self._own / "state.db")
        self.store = open_store(f"sqlite:///{self._own}/state.db")
        create(self.store)
        self.before = self._state()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self._own)

    @precondition(lambda self: not self._ends_too_soon())
    @rule(name=st.sampled_from(sorted(ENDINGS)))
    def end(self, name: str) -> None:
        self._try(lambda: ENDINGS[name](self.store))

    @rule(name=st.sampled_from(sorted(REQUESTS)))
    def request(self, name: str) -> None:
        self._try(lambda: REQUESTS[name](self.store))

    @rule(name=st.sampled_from(sorted(REMARKS)))
    def remark(self, name: str) -> None:
        REMARKS[name](self.store)
        assert self._state() == self.before

    @rule(to=st.sampled_from(WorkflowStatus), reason=st.none() | st.sampled_from(PauseReason))
    def change(self, to: WorkflowStatus, reason: PauseReason | None) -> None:
        if to is WorkflowStatus.CANCELLED and self._ends_too_soon():
            return
        legal = to in WORKFLOW_TRANSITIONS[self.before.workflow.status]
        changed = self._write(lambda tx: tx.change_workflow(ID, to, reason=reason))
        assert legal or not changed

    # As a worker goes on: most sequences of anything at all would never get beyond the first Work.
    @precondition(lambda self: self.before.workflow.status in _NEXT)
    @rule(steps=st.integers(min_value=1, max_value=6))
    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            to = _NEXT.get(self.before.workflow.status)
            if to is WorkflowStatus.COMPLETED:
                self._step()
            elif to is not None:
                assert self._write(partial(_change, to=to))

    def _step(self) -> None:
        work = next((work for work in self.before.works if work.status is not WorkStatus.COMPLETED), None)
        if work is None:
            self._write(lambda tx: tx.change_workflow(ID, WorkflowStatus.COMPLETED))
            return
        tasks = [task for task in self.before.tasks if task.work_id == work.id]
        task = next((task for task in tasks if task.status is not TaskStatus.COMPLETED), None)
        if work.status is not WorkStatus.RUNNING:
            self._write(lambda tx: tx.start_work(work.id))
        elif task is not None and task.status is TaskStatus.RUNNING:
            self._write(lambda tx: tx.complete_task(task.id, _RESULT, _REPORT))
        elif task is not None:
            self._write(lambda tx: tx.start_task(task.id, query_length=3))
        else:
            self._write(lambda tx: (tx.reserve_checkpoint(work.id), tx.complete_work(work.id, {"api": "a" * 40})))

    @rule(work=st.sampled_from(_WORKS), what=st.sampled_from(sorted(_of_work)))
    def change_work(self, work: str, what: str) -> None:
        self._write(lambda tx: _of_work[what](tx, work))

    @rule(task=st.sampled_from(_TASKS), what=st.sampled_from(sorted(_of_task)))
    def change_task(self, task: str, what: str) -> None:
        self._write(lambda tx: _of_task[what](tx, task))

    @precondition(lambda self: self.before.checkpoints)
    @rule(which=st.integers(min_value=0, max_value=1))
    def invalidate(self, which: int) -> None:
        checkpoint = self.before.checkpoints[which % len(self.before.checkpoints)]
        if self._write(lambda tx: tx.invalidate_checkpoint(checkpoint.id)) and checkpoint.invalidated_at is None:
            assert next(work.status for work in self.before.works if work.id == checkpoint.work_id) == "PENDING"
            assert {task.status for task in self.before.tasks if task.work_id == checkpoint.work_id} == {"PENDING"}

    @rule(work=st.sampled_from(_WORKS))
    def half_a_transaction(self, work: str) -> None:
        def write(tx: Transaction) -> None:
            tx.start_work(work)
            raise OrchestratorError("the second half failed")

        self._try(lambda: self.store.write(write))
        assert self._state() == self.before

    @invariant()
    def the_statuses_told_are_one_legal_chain_to_the_present_one(self) -> None:
        status = WorkflowStatus.CREATED
        for event in self.before.events:
            if event.type is EventType.WORKFLOW_STATUS_CHANGED:
                assert event.context["previousStatus"] == status
                assert WorkflowStatus(event.context["newStatus"]) in WORKFLOW_TRANSITIONS[status]
                status = WorkflowStatus(event.context["newStatus"])
        assert status is self.before.workflow.status

    @invariant()
    def a_workflow_has_a_reason_while_it_is_paused_and_an_end_when_it_has_ended(self) -> None:
        workflow = self.before.workflow
        assert (workflow.pause_reason is not None) == (workflow.status is WorkflowStatus.PAUSED)
        assert (workflow.ended_at is not None) == (workflow.status in ENDED)

    @invariant()
    def a_work_is_completed_exactly_when_it_has_one_valid_checkpoint(self) -> None:
        valid = [checkpoint.work_id for checkpoint in self.before.checkpoints if checkpoint.invalidated_at is None]
        assert sorted(valid) == sorted(work.id for work in self.before.works if work.status is WorkStatus.COMPLETED)

    @invariant()
    def an_invalidated_checkpoint_stays_as_history(self) -> None:
        told = [event for event in self.before.events if event.type is EventType.CHECKPOINT_INVALIDATED]
        invalid = {checkpoint.id for checkpoint in self.before.checkpoints if checkpoint.invalidated_at is not None}
        assert {event.context["checkpointId"] for event in told} == invalid

    @invariant()
    def a_completed_task_has_its_result_and_its_report(self) -> None:
        fresh = {report.task_id for report in self.before.reports if not report.stale}
        for task in self.before.tasks:
            if task.status is TaskStatus.COMPLETED:
                assert task.snapshot
                assert task.id in fresh

    @invariant()
    def every_attempt_was_told(self) -> None:
        sent = [event.task_id for event in self.before.events if event.type is EventType.QUERY_SENT]
        started = [event.work_id for event in self.before.events if event.type is EventType.WORK_STARTED]
        assert {task.id: task.attempt for task in self.before.tasks} == {id: sent.count(id) for id in _TASKS}
        assert {work.id: work.attempt for work in self.before.works} == {id: started.count(id) for id in _WORKS}

    def _ends_too_soon(self) -> bool:
        # Nothing is legal behind CANCELLED: most sequences would be over before they began.
        return len(self.before.events) < _EVENTS_BEFORE_AN_END

    def _write(self, fn: Callable[[Transaction], object]) -> bool:
        return self._try(lambda: self.store.write(fn))

    def _try(self, request: Callable[[], object]) -> bool:
        """Whether it was done; where it was refused, nothing has changed."""
        try:
            request()
        except OrchestratorError:
            assert self._state() == self.before
            return False
        after = self._state()
        told = len(self.before.events)
        assert after.events[:told] == self.before.events, "what was told stays told"
        if replace(after, events=self.before.events) == self.before:
            assert len(after.events) == told, "nothing changed, so there is nothing to tell"
        for work, now in zip(self.before.works, after.works, strict=True):
            assert work.status is now.status or now.status in WORK_TRANSITIONS[work.status]
        for task, then in zip(self.before.tasks, after.tasks, strict=True):
            assert task.status is then.status or then.status in TASK_TRANSITIONS[task.status]
        self.before = after
        return True

    def _state(self) -> State:
        def read(reader: Reader) -> State:
            return State(
                workflow=reader.workflow(ID),
                works=tuple(reader.works(ID)),
                tasks=tuple(reader.tasks(ID)),
                reports=tuple(reader.reports(ID)),
                checkpoints=tuple(reader.checkpoints(ID, valid_only=False)),
                events=tuple(reader.events(ID)),
            )

        return self.store.read(read)


def test_any_sequence_of_requests_keeps_the_invariants(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/template.db")
    store.migrate()
    store.close()

    class Here(AnySequence):
        folder = tmp_path

    # No deadline: a loaded machine may take a second for one step. Few examples of many steps reach the deep states.
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
