"""A pass and a worker that come to one Workflow at the same time."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from orchestrator.domain.states import WorkflowStatus
from orchestrator.domain.stop import Stop
from orchestrator.engine.begin import begin, open_trees
from orchestrator.engine.engine import Engine
from orchestrator.engine.lease import owned
from orchestrator.engine.plan import load_plan
from orchestrator.engine.retention.clock import read_clock
from orchestrator.engine.retention.hold import holding
from orchestrator.engine.retention.outcome import Outcome
from orchestrator.engine.retention.policy import policy_of
from orchestrator.engine.retention.worktrees import expired_worktrees, remove_worktrees
from orchestrator.engine.rollback import roll_back
from orchestrator.git import tree_lock
from tests.orchestrator.engine.retention.world import clean, ended, rescued, stands
from tests.orchestrator.engine.running import wait_for
from tests.orchestrator.engine.world import World

# Longer than a worker has patience with another worker.
_HELD_S = 4.0


def holding_elsewhere(engine: Engine, workflow_id: str, *, began: Path, ended: Path) -> int:
    """A process that holds the Workflow for a while, as a pass with a large tree does; its id."""
    engine.store.close()
    child = os.fork()
    if child == 0:
        try:
            with holding(engine, [workflow_id], still=lambda row: True) as (_, held):
                began.write_text(" ".join(held))
                time.sleep(_HELD_S)
                ended.touch()
        finally:
            os._exit(0)
    return child


def test_a_worker_waits_for_a_pass_and_then_has_everything(world: World) -> None:
    workflow_id = ended(world, status=WorkflowStatus.FAILED, unsaved=True)
    began, over = world.home / "began", world.home / "over"
    child = holding_elsewhere(world.engine, workflow_id, began=began, ended=over)
    wait_for(began.exists, "the other process to hold it")
    assert began.read_text() == workflow_id

    _, plan = load_plan(world.engine.store, workflow_id)
    with owned(world.engine, workflow_id, Stop()) as own, tree_lock(own.git, workflow_id) as lock:
        assert over.exists(), "it was waited for"
        list(begin(own, workflow_id, plan, open_trees(own, plan, lock)))
    os.waitpid(child, 0)
    assert (world.tree(workflow_id, "api") / "unsaved.txt").read_text() == workflow_id


def test_a_pass_leaves_what_a_worker_has(world: World) -> None:
    workflow_id = ended(world, status=WorkflowStatus.FAILED, ago=timedelta(days=30), unsaved=True)
    began, over = world.home / "began", world.home / "over"
    child = holding_elsewhere(world.engine, workflow_id, began=began, ended=over)
    wait_for(began.exists, "the other process to hold it")
    assert clean(world).worktrees_removed == 0
    assert stands(world, workflow_id)
    assert not over.exists(), "nobody waited"
    os.waitpid(child, 0)
    assert clean(world).worktrees_removed == 1
    assert rescued(world, workflow_id) == workflow_id


def test_what_has_moved_on_since_the_pass_looked_stays(world: World) -> None:
    workflow_id = ended(world, ago=timedelta(days=30))
    clock, _ = read_clock(world.engine.store)
    rows = expired_worktrees(world.engine, clock, policy_of(world.engine.settings))
    (checkpoint,) = world.engine.store.read(lambda reader: reader.checkpoints(workflow_id))
    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=checkpoint.id)
    outcome = Outcome()
    remove_worktrees(world.engine, rows, reason="expired", outcome=outcome)
    assert (outcome.worktrees_removed, outcome.problems) == (0, [])
    assert stands(world, workflow_id)
