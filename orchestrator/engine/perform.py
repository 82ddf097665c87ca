"""Perform one Work of a Workflow: what a Work op does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.domain import ids
from orchestrator.domain.counted import agent_error
from orchestrator.domain.errors import (
    AgentCrashed,
    AgentError,
    AgentQuotaReached,
    Cancelled,
    GitLocked,
    LeaseLost,
    OrchestratorError,
    Paused,
    WorkStopped,
    WorkTimeout,
)
from orchestrator.domain.events import EventType
from orchestrator.domain.states import PauseReason, RequestKind, TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.domain.stop import Stop
from orchestrator.engine import workspace
from orchestrator.engine.agent import open_agent
from orchestrator.engine.begin import begin, open_trees
from orchestrator.engine.check import pass_checks
from orchestrator.engine.checkpoint import make_checkpoint
from orchestrator.engine.endings import fail, write_down
from orchestrator.engine.engine import Engine
from orchestrator.engine.facts import Fact
from orchestrator.engine.finished import finished_tasks, finished_work
from orchestrator.engine.lease import owned
from orchestrator.engine.plan import load_plan
from orchestrator.engine.run import WorkRun
from orchestrator.engine.settle import session_to_resume, settle, try_to_settle
from orchestrator.engine.task import perform_tasks
from orchestrator.git import tree_lock
from orchestrator.observe.log import bind_workflow, get_logger, mask_text
from orchestrator.observe.trace import span, workflow_trace
from orchestrator.spec.resolve import Plan, WorkPlan
from orchestrator.store import Transaction
from orchestrator.store.rows import WorkflowRow

_log = get_logger(__name__)
# Where a provider does not say when it gives more.
_QUOTA_WAIT_S = 300
_QUOTA_WAIT_MOST_S = 3600


def perform(engine: Engine, *, workflow_id: str, work: str, stop: Stop | None = None) -> Iterator[Fact]:
    """Perform the Work named `work` and yield its Reports, check results and Checkpoint as they come true.

    Idempotent: where the Work has a valid Checkpoint, the same facts come again and no agent is started. On failure the
    Work and its Workflow are FAILED with the error, which is raised again.

    Raises:
        WorkStopped: the order to stop came, or another reason to wait; the agent is gone, the state is written down.
        LeaseHeld: another worker performs the Workflow; nothing was changed. `GitLocked` the same.
    """
    stop = stop or Stop()
    workflow, plan = load_plan(engine.store, workflow_id)
    work_plan = plan.work(work)
    with _bound(workflow):
        done = finished_work(engine, workflow_id, work_plan)
        if done is not None:
            yield from done
            engine.store.write(lambda tx: _complete_again(tx, workflow_id))
            _tidy(engine, workflow_id)
            return
        with owned(engine, workflow_id, stop) as own:
            try:
                yield from _perform(own, workflow, plan, work_plan, stop)
            except GitLocked:
                # What a dead worker left still writes to its trees: its state is not ours to change.
                raise
            except WorkStopped as why:
                _log.warning("WorkStopped", message=str(why), reason=type(why).__name__)
                write_down(own.store, workflow_id, why)
                if isinstance(why, Cancelled):
                    workspace.remove_all(own.settings.workflow_root_path, workflow_id)
                raise
            except Exception as error:
                _fail(own, workflow_id, work_plan, error)
                raise


def _complete_again(tx: Transaction, workflow_id: str) -> None:
    """A Workflow that was rolled back to its last Checkpoint, or reordered into what it was, has nothing left to do."""
    unfinished = any(row.status is not WorkStatus.COMPLETED for row in tx.works(workflow_id))
    if not unfinished and tx.workflow(workflow_id).status is WorkflowStatus.PAUSED:
        tx.change_workflow(workflow_id, WorkflowStatus.RUNNING)
        tx.change_workflow(workflow_id, WorkflowStatus.COMPLETED)
        tx.drop_requests(workflow_id, *RequestKind)


@contextmanager
def _bound(workflow: WorkflowRow, work_id: str | None = None) -> Iterator[None]:
    with (
        bind_workflow(correlation_id=workflow.correlation_id, workflow_id=workflow.id, work_id=work_id),
        workflow_trace(workflow_id=workflow.id, trace_id=workflow.trace_id),
    ):
        yield


def _perform(engine: Engine, workflow: WorkflowRow, plan: Plan, work: WorkPlan, stop: Stop) -> Iterator[Fact]:
    work_id = ids.work_id(workflow.id, work.name)
    attributes = {
        "workflow.id": workflow.id,
        "work.id": work_id,
        "work.sequence": work.sequence,
        "work.model": work.model,
        "correlation.id": workflow.correlation_id,
    }
    with (
        tree_lock(engine.git, workflow.id) as lock,
        _bound(workflow, work_id=work_id),
        span("work.execute", attributes),
    ):
        trees = open_trees(engine, plan, lock)
        yield from begin(engine, workflow.id, plan, trees)
        stop.check()
        row = engine.store.write(lambda tx: tx.start_work(work_id))
        run = WorkRun.open(engine, workflow=workflow, plan=plan, work=work, row=row, trees=trees, lock=lock, stop=stop)
        # An id reserved by an earlier try says that its Tasks and checks were done: only commits can be missing, and
        # the trees hold what is to be committed, edits made for a check included.
        yield from finished_tasks(run) if row.checkpoint_id is not None else _work(run)
        yield make_checkpoint(run)
    _tidy(engine, workflow.id)


def _tidy(engine: Engine, workflow_id: str) -> None:
    """The WorkSpaces of a COMPLETED Workflow go at once; also where its worker died just before."""
    if engine.store.read(lambda reader: reader.workflow(workflow_id)).status is WorkflowStatus.COMPLETED:
        workspace.remove_all(engine.settings.workflow_root_path, workflow_id)


def _work(run: WorkRun) -> Iterator[Fact]:
    """The Tasks and checks of a Work, tried again by a new agent as often as the spec's `retries` says."""
    retries_left = run.work.retries
    taken_over = run.row.attempt > 1
    while True:
        if taken_over:
            settle(run)
        try:
            with open_agent(run, resume_session_id=session_to_resume(run) if taken_over else None) as agent:
                yield from perform_tasks(run, agent)
                retries_left = yield from pass_checks(run, agent, retries_left=retries_left)
        except LeaseLost:
            raise
        except WorkStopped:
            try_to_settle(run)
            raise
        except WorkTimeout:
            raise
        except AgentError as error:
            if isinstance(error, AgentCrashed):
                _report_crash(run, error)
            else:
                _count_error(run, error)
            if isinstance(error, AgentQuotaReached):
                try_to_settle(run)
                raise _wait_for_quota(run, error) from error
            if retries_left == 0 or error.remedy == "fail":
                raise
            retries_left -= 1
            taken_over = True
            _log.warning("WorkRetried", message=f'work "{run.work.name}" is tried again: {error}', left=retries_left)
        else:
            return


def _wait_for_quota(run: WorkRun, error: AgentQuotaReached) -> Paused:
    """The pause until the provider gives more: as long as it says, else longer with each attempt."""
    wait_s = error.retry_after_s or min(_QUOTA_WAIT_S * 2 ** (run.row.attempt - 1), _QUOTA_WAIT_MOST_S)
    return Paused(f"{error}; resumed in {wait_s:g} s", reason=PauseReason.QUOTA, resume_after_s=wait_s)


def _report_crash(run: WorkRun, error: AgentCrashed) -> None:
    _log.error("AgentCrashed", message=str(error), exitCode=error.exit_code, uptimeMs=error.uptime_ms)
    run.engine.store.write(
        lambda tx: tx.add_event(
            EventType.AGENT_CRASHED,
            workflow_id=run.workflow.id,
            work_id=run.row.id,
            context={
                "exitCode": error.exit_code,
                "uptimeMs": error.uptime_ms,
                "provider": run.work.provider,
                "model": run.work.model,
            },
        )
    )


def _count_error(run: WorkRun, error: AgentError) -> None:
    """An agent's error that no event tells of; a crash's event counts itself."""
    work = run.work
    run.engine.store.write(
        lambda tx: tx.add_measures(agent_error(tx.now, provider=work.provider, model=work.model, error_type=error.kind))
    )


def _fail(engine: Engine, workflow_id: str, work: WorkPlan, error: Exception) -> None:
    text = mask_text(str(error) if isinstance(error, OrchestratorError) else f"{type(error).__name__}: {error}")
    work_id = ids.work_id(workflow_id, work.name)
    _log.error("WorkFailed", message=text, workId=work_id, exc_info=not isinstance(error, OrchestratorError))

    def write(tx: Transaction) -> None:
        for task in tx.tasks(workflow_id):
            if task.work_id == work_id and task.status is TaskStatus.RUNNING:
                tx.fail_task(task.id, text)
        fail(tx, workflow_id, text)

    engine.store.write(write)
