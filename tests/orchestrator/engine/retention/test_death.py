"""A pass killed in any of its steps is completed by the next; cleaners at once do the work once."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.retention.cleanup import clean_up
from orchestrator.engine.retention.reports import restore_reports
from orchestrator.git import Removed, WorkTree, remove_all
from tests.orchestrator.engine.retention.dying import pass_killed_at, passes_at_once
from tests.orchestrator.engine.retention.world import (
    archive,
    checkpoint_commits,
    clean,
    ended,
    events,
    reachable,
    reports,
    rescued,
    stands,
)
from tests.orchestrator.engine.world import World

DAY = timedelta(days=1)
# A step lasts as long as a lease: nobody waits for one of a process that is known to be dead.
_LAPSE = "UPDATE leases SET expires_at = '2000-01-01T00:00:00.000Z' WHERE host IS NOT NULL"


def test_a_pass_killed_in_any_step_loses_nothing_and_is_completed_by_the_next(world: World) -> None:
    fresh = ended(world, unsaved=True)
    tidy = ended(world, ago=2 * DAY)
    dirty = ended(world, status=WorkflowStatus.FAILED, ago=8 * DAY, unsaved=True)
    old = ended(world, ago=31 * DAY, unsaved=True)
    orphan = ended(world, unsaved=True)
    (orphaned,) = checkpoint_commits(world, orphan)
    world.engine.store.write(lambda tx: tx.delete_workflow(orphan))
    clean_orphan = "UPDATE orphans SET seen_at = '2000-01-01T00:00:00.000Z'"
    world.engine.store.write(lambda tx: tx.see_orphans([orphan]))
    _execute(world, clean_orphan.replace("2000-01-01", _yesterday(world)))
    commits = {id: list(checkpoint_commits(world, id)) for id in (fresh, tidy, dirty, old)}
    data = world.engine.settings.orchestrator_home
    world.engine.store.close()
    kept = world.home / "kept"
    subprocess.run(["cp", "-a", str(data), str(kept)], check=True)

    step = 0
    killed = True
    while killed:
        step += 1
        world.engine.store.close()
        shutil.rmtree(data)
        subprocess.run(["cp", "-a", str(kept), str(data)], check=True)
        killed = pass_killed_at(world.engine, step)
        where = f"killed at step {step}"
        for workflow_id, unsaved in ((fresh, True), (tidy, False), (dirty, True), (old, True)):
            assert all(reachable(world, commit) for commit in commits[workflow_id]), where
            if unsaved:
                tree = world.tree(workflow_id, "api") / "unsaved.txt"
                assert tree.exists() or rescued(world, workflow_id) == workflow_id, where
        assert reports(world, dirty) or archive(world, dirty).exists(), where
        assert reachable(world, orphaned), where

        _execute(world, _LAPSE)
        outcome = clean_up(world.engine)
        assert outcome.problems == [], where
        standing = [id for id in (fresh, tidy, dirty, old, orphan) if stands(world, id)]
        assert standing == [fresh], where
        assert [rescued(world, id) for id in (dirty, old, orphan)] == [dirty, old, orphan], where
        assert reports(world, dirty) == reports(world, old) == [], where
        assert (archive(world, dirty).exists(), archive(world, old).exists()) == (True, False), where
        assert len(events(world, dirty, "WorkTreeRemoved")) == 1, where
        assert len(events(world, dirty, "ReportsArchived")) == 1, where
        assert len(events(world, old, "ReportsDeleted")) == 1, where
        assert all(reachable(world, commit) for many in commits.values() for commit in many), where
        for root in (world.engine.settings.worktree_root_path, world.engine.settings.workflow_root_path):
            assert list((root / ".trash").glob("*")) == [], where
        assert list(archive(world, dirty).parent.iterdir()) == [archive(world, dirty)], where
        assert restore_reports(world.engine, dirty).files == 1, where
    assert step > 25, "every step was killed, and there are many"


def test_cleaners_at_once_do_the_work_once(world: World) -> None:
    gone = [ended(world, ago=8 * DAY, unsaved=number % 2 == 0) for number in range(4)]
    passes_at_once(world.engine, 3)
    clean(world)
    for workflow_id in gone:
        assert len(events(world, workflow_id, "WorkTreeRemoved")) == 1
        assert len(events(world, workflow_id, "ReportsArchived")) == 1
        assert not stands(world, workflow_id)
        assert all(reachable(world, commit) for commit in checkpoint_commits(world, workflow_id))
    assert [rescued(world, workflow_id) for workflow_id in gone[::2]] == gone[::2]


def test_a_worker_that_takes_over_a_lapsed_lease_keeps_the_pass_from_writing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow_id = ended(world, ago=2 * DAY)

    def slowly(trees: Sequence[WorkTree]) -> list[Removed]:
        removed = remove_all(trees)
        _execute(world, "UPDATE leases SET token = token + 1")
        return removed

    monkeypatch.setattr("orchestrator.engine.retention.worktrees.remove_all", slowly)
    (problem,) = clean_up(world.engine).problems
    assert "was taken over" in problem
    assert events(world, workflow_id, "WorkTreeRemoved") == []
    monkeypatch.undo()
    _execute(world, _LAPSE)
    assert clean(world).worktrees_removed == 1


def _execute(world: World, statement: str) -> None:
    with world.engine.store._engine.begin() as connection:
        connection.execute(text(statement))


def _yesterday(world: World) -> str:
    now = world.engine.store.read(lambda reader: reader.now)
    return f"{now - DAY * 2:%Y-%m-%d}"
