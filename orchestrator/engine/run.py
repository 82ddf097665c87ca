"""One Work being performed: everything its steps need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.agents import Line, LiveView
from orchestrator.domain.errors import WorkTimeout
from orchestrator.domain.stop import Stop
from orchestrator.engine import workspace
from orchestrator.engine.engine import Engine
from orchestrator.git import TreeLock, WorkTree
from orchestrator.observe.log import get_logger
from orchestrator.spec.resolve import Plan, WorkPlan
from orchestrator.store import Reader
from orchestrator.store.rows import WorkflowRow, WorkRow

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRun:
    """One Work being performed.

    Attributes:
        trees: the WorkTrees of this Work's Gits, by the Git's name.
        parents: Git's name -> the commit that the Work started from, every Git of the Workflow.
        workspace: the directory the agent runs in.
        lock: of the WorkTrees; agents inherit it, so that an orphan keeps the trees locked.
        stop: the order to stop; asked between steps and handed to all that waits.
        live: where what the agent says and does goes: the Task's transcript, and the log.
        deadline: monotonic seconds at which the Work's `timeout` ends it; None without one.
    """

    engine: Engine
    workflow: WorkflowRow
    plan: Plan
    work: WorkPlan
    row: WorkRow
    trees: Mapping[str, WorkTree]
    parents: Mapping[str, str]
    workspace: Path
    lock: TreeLock
    stop: Stop
    live: LiveView
    deadline: float | None

    @classmethod
    def open(
        cls,
        engine: Engine,
        *,
        workflow: WorkflowRow,
        plan: Plan,
        work: WorkPlan,
        row: WorkRow,
        trees: Mapping[str, WorkTree],
        lock: TreeLock,
        stop: Stop,
    ) -> WorkRun:
        """Lay out the WorkSpace and start the clock of the Work's `timeout`."""
        root = engine.settings.workflow_root_path
        own = {name: trees[name] for name in work.gits}
        reports = engine.store.read(lambda reader: reader.reports(workflow.id))
        earlier = {
            f"{Path(report.path).parent.name}/{Path(report.path).name}": Path(report.path)
            for report in reports
            if not report.stale
        }
        space = workspace.make(
            root, workflow.id, work.name, trees={name: tree.path for name, tree in own.items()}, reports=earlier
        )
        return cls(
            engine=engine,
            workflow=workflow,
            plan=plan,
            work=work,
            row=row,
            trees=own,
            parents=engine.store.read(lambda reader: commits_before(reader, workflow.id, work.sequence)),
            workspace=space,
            lock=lock,
            stop=stop,
            live=LiveView(_log_line),
            deadline=None if work.timeout_s is None else time.monotonic() + work.timeout_s,
        )

    def remaining_ms(self, limit_ms: int) -> int:
        """The time left for one step: `limit_ms`, or what the Work's `timeout` leaves of it."""
        if self.deadline is None:
            return limit_ms
        left = int((self.deadline - time.monotonic()) * 1000)
        if left <= 0:
            raise self.out_of_time()
        return min(limit_ms, left)

    def out_of_time(self) -> WorkTimeout:
        """The error of a Work that has used up its `timeout`."""
        return WorkTimeout(
            f'work "{self.work.name}" ran longer than its timeout of {self.work.timeout_s} s; '
            "raise `timeout` in the spec, or split the Work"
        )


def _log_line(line: Line) -> None:
    # A query's text is logged where it is sent, at DEBUG only.
    if line.kind != "query":
        _log.info("AgentUpdate", message=str(line), kind=line.kind)


def commits_before(reader: Reader, workflow_id: str, sequence: int) -> dict[str, str]:
    """Where every Git stood before the Work at `sequence`: at the last valid Checkpoint, or at its base commit."""
    commits = {tree.git: tree.base_commit for tree in reader.worktrees(workflow_id)}
    earlier = [checkpoint for checkpoint in reader.checkpoints(workflow_id) if checkpoint.sequence < sequence]
    if earlier:
        commits.update(max(earlier, key=lambda checkpoint: checkpoint.sequence).commits)
    return commits
