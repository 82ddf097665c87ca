"""Perform one Work of a Workflow: what a Work op does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.domain import ids
from orchestrator.domain.counted import agent_error
from orchestrator.domain.errors import (
    AgentCrashed,
    AgentError,
    BudgetReached,
    GitLocked,
    OrchestratorError,
    WorkTimeout,
)
from orchestrator.domain.events import EventType
from orchestrator.domain.states import PauseReason, TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.engine import workspace
from orchestrator.engine.agent import open_agent
from orchestrator.engine.begin import begin, open_trees
from orchestrator.engine.check import pass_checks
from orchestrator.engine.checkpoint import make_checkpoint
from orchestrator.engine.engine import Engine
from orchestrator.engine.facts import Fact
from orchestrator.engine.finished import finished_tasks, finished_work
from orchestrator.engine.interrupt import pause
from orchestrator.engine.plan import load_plan
from orchestrator.engine.run import WorkRun
from orchestrator.engine.settle import settle
from orchestrator.engine.task import perform_tasks
from orchestrator.git import tree_lock
from orchestrator.observe.log import bind_workflow, get_logger, mask_text
from orchestrator.observe.trace import span, workflow_trace
from orchestrator.spec.resolve import Plan, WorkPlan
from orchestrator.store import Transaction
from orchestrator.store.rows import WorkflowRow

_log = get_logger(__name__)


def perform(engine: Engine, *, workflow_id: str, work: str) -> Iterator[Fact]:
    """Perform the Work named `work` and yield its Reports, check results and Checkpoint as they come true.

    Idempotent: where the Work has a valid Checkpoint, the same facts come again and no agent is started. On failure the
    Work and its Workflow are FAILED with the error, which is raised again; a used-up budget pauses them.
    """
    workflow, plan = load_plan(engine.store, workflow_id)
    work_plan = plan.work(work)
    with _bound(workflow):
        done = finished_work(engine, workflow_id, work_plan)
        if done is not None:
            yield from done
            return
        try:
            yield from _perform(engine, workflow, plan, work_plan)
        except GitLocked:
            # Another worker has it, or what a dead one left still writes to its trees: its state is not ours to change.
            raise
        except BudgetReached as error:
            _log.warning("BudgetReached", message=str(error))
            pause(engine, workflow_id=workflow_id, reason=PauseReason.BUDGET)
            raise
        except Exception as error:
            _fail(engine, workflow_id, work_plan, error)
            raise


@contextmanager
def _bound(workflow: WorkflowRow, work_id: str | None = None) -> Iterator[None]:
    with (
        bind_workflow(correlation_id=workflow.correlation_id, workflow_id=workflow.id, work_id=work_id),
        workflow_trace(workflow_id=workflow.id, trace_id=workflow.trace_id),
    ):
        yield


def _perform(engine: Engine, workflow: WorkflowRow, plan: Plan, work: WorkPlan) -> Iterator[Fact]:
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
        row = engine.store.write(lambda tx: tx.start_work(work_id))
        run = WorkRun.open(engine, workflow=workflow, plan=plan, work=work, row=row, trees=trees, lock=lock)
        # An id reserved by an earlier try says that its Tasks and checks were done: only commits can be missing, and
        # the trees hold what is to be committed, edits made for a check included.
        yield from finished_tasks(run) if row.checkpoint_id is not None else _work(run)
        yield make_checkpoint(run)
    if engine.store.read(lambda reader: reader.workflow(workflow.id)).status is WorkflowStatus.COMPLETED:
        workspace.remove_all(engine.settings.workflow_root_path, workflow.id)


def _work(run: WorkRun) -> Iterator[Fact]:
    """The Tasks and checks of a Work, tried again by a new agent as often as the spec's `retries` says."""
    retries_left = run.work.retries
    taken_over = run.row.attempt > 1
    while True:
        if taken_over:
            settle(run)
        try:
            with open_agent(run) as agent:
                yield from perform_tasks(run, agent)
                retries_left = yield from pass_checks(run, agent, retries_left=retries_left)
        except WorkTimeout:
            raise
        except AgentError as error:
            if isinstance(error, AgentCrashed):
                _report_crash(run, error)
            else:
                _count_error(run, error)
            if retries_left == 0:
                raise
            retries_left -= 1
            taken_over = True
            _log.warning("WorkRetried", message=f'work "{run.work.name}" is tried again: {error}', left=retries_left)
        else:
            return


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
        if any(row.id == work_id and row.status is WorkStatus.RUNNING for row in tx.works(workflow_id)):
            tx.fail_work(work_id, text)
        status = tx.workflow(workflow_id).status
        if status in (WorkflowStatus.CREATED, WorkflowStatus.READY, WorkflowStatus.RUNNING):
            tx.change_workflow(workflow_id, WorkflowStatus.FAILED, error=text)

    engine.store.write(write)
