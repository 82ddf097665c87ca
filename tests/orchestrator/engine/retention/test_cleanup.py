"""One pass: what has had its time goes, everything else stays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.states import RequestKind, WorkflowStatus
from orchestrator.engine.control import ask_resume
from orchestrator.engine.delete import delete
from orchestrator.engine.retention.cleanup import clean_up
from orchestrator.engine.rollback import roll_back
from orchestrator.git import tree_lock
from tests.orchestrator.engine.retention.world import (
    age,
    archive,
    checkpoint_commits,
    clean,
    ended,
    events,
    execute,
    mirror,
    reachable,
    reports,
    rescued,
    spec,
    stands,
)
from tests.orchestrator.engine.world import World, git

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
S = WorkflowStatus


@pytest.mark.parametrize(
    ("status", "ago", "goes"),
    [
        (S.COMPLETED, 24 * HOUR, True),
        (S.COMPLETED, 23 * HOUR, False),
        (S.CANCELLED, 24 * HOUR, True),
        (S.FAILED, 167 * HOUR, False),
        (S.FAILED, 168 * HOUR, True),
        (S.PAUSED, 100 * DAY, False),
        (S.RUNNING, 100 * DAY, False),
    ],
)
def test_worktree_and_workspace_go_when_they_have_had_their_time(
    world: World, status: WorkflowStatus, ago: timedelta, goes: bool
) -> None:
    workflow_id = ended(world, status=status, ago=ago, unsaved=True)
    before = git(mirror(world), "for-each-ref")
    outcome = clean(world)
    assert stands(world, workflow_id) is not goes
    assert (world.folder(workflow_id) / "workspaces").exists() is not goes
    assert (world.folder(workflow_id) / "home").exists() is not goes
    assert outcome.worktrees_removed == (1 if goes else 0)
    if goes:
        assert rescued(world, workflow_id) == workflow_id
        assert git(mirror(world), "branch", "--list") == ""
        (said,) = events(world, workflow_id, "WorkTreeRemoved")
        assert (said["reason"], said["git"]) == ("expired", "api")
        assert said["bytes"] > 0
        assert outcome.freed_bytes >= said["bytes"]
    else:
        assert git(mirror(world), "for-each-ref") == before
    assert all(reachable(world, commit) for commit in checkpoint_commits(world, workflow_id))
    assert clean(world).worktrees_removed == 0
    assert not list((world.engine.settings.worktree_root_path / ".trash").glob("*"))


def test_a_specs_own_retention_goes_before_the_settings(world: World) -> None:
    short = ended(world, loaded=spec(world, retention={"worktrees": "1h", "reports": "2h"}), ago=2 * HOUR)
    long = ended(world, loaded=spec(world, retention={"worktrees": "90d", "reports": "90d"}), ago=60 * DAY)
    clean(world)
    assert (stands(world, short), stands(world, long)) == (False, True)
    assert (reports(world, short), archive(world, short).exists()) == ([], False)
    assert archive(world, long).exists()


def test_a_workflow_rolled_back_after_its_tree_went_stands_at_its_checkpoint(world: World) -> None:
    workflow_id = ended(world, ago=2 * DAY)
    clean(world)
    (commit,) = checkpoint_commits(world, workflow_id)
    (checkpoint,) = world.engine.store.read(lambda reader: reader.checkpoints(workflow_id))

    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=checkpoint.id)

    assert git(world.tree(workflow_id, "api"), "rev-parse", "HEAD") == commit
    assert rescued(world, workflow_id) is None, "nothing was unsaved"
    (row,) = world.engine.store.read(lambda reader: reader.worktrees(workflow_id))
    assert row.removed_at is None
    clean(world)
    assert stands(world, workflow_id), "it is PAUSED now"


def test_who_asked_for_a_resume_or_still_writes_keeps_the_tree(world: World) -> None:
    resumed = ended(world, status=S.FAILED, ago=30 * DAY)
    ask_resume(world.engine.store, resumed)
    busy = ended(world, ago=30 * DAY)
    with tree_lock(world.engine.git, busy):
        outcome = clean_up(world.engine)
    assert stands(world, resumed)
    assert stands(world, busy)
    assert outcome.worktrees_removed == 0
    world.engine.store.write(lambda tx: tx.drop_requests(resumed, RequestKind.RESUME))
    assert clean(world).worktrees_removed == 2


def test_invalidated_checkpoints_go_with_their_time_and_their_commits_stay_on_rescue_refs(world: World) -> None:
    workflow_id = ended(world)
    (commit,) = checkpoint_commits(world, workflow_id)
    (checkpoint,) = world.engine.store.read(lambda reader: reader.checkpoints(workflow_id))
    world.engine.store.write(lambda tx: tx.invalidate_checkpoint(checkpoint.id))
    age(world, workflow_id, 6 * DAY)
    assert clean(world).checkpoints_deleted == 0
    age(world, workflow_id, 1 * DAY)
    assert clean(world).checkpoints_deleted == 1
    assert list(checkpoint_commits(world, workflow_id)) == []
    assert reachable(world, commit)


def test_a_dry_run_says_what_would_go_and_nothing_does(world: World) -> None:
    workflow_id = ended(world, ago=40 * DAY)
    said = clean_up(world.engine, dry_run=True)
    assert (said.worktrees_removed, said.reports_deleted) == (1, 1)
    assert stands(world, workflow_id)
    assert reports(world, workflow_id)
    done = clean(world)
    assert (done.worktrees_removed, done.reports_deleted) == (1, 1)


def test_a_deleted_workflow_leaves_rescue_refs_that_go_after_the_reports_time(world: World) -> None:
    workflow_id = ended(world, unsaved=True)
    delete(world.engine, workflow_id=workflow_id)
    assert [event["reason"] for event in events(world, workflow_id, "WorkTreeRemoved")] == ["deleted"]
    clean(world)
    _age_orphans(world, 29 * DAY)
    clean(world)
    assert rescued(world, workflow_id) == workflow_id
    _age_orphans(world, 1 * DAY)
    assert clean(world).rescues_dropped == 1
    assert git(mirror(world), "for-each-ref", "refs/orchestrator") == ""
    clean(world)
    assert world.engine.store.read(lambda reader: reader.orphans()) == {}


def test_orphans_are_remembered_first_then_saved_and_removed(world: World) -> None:
    workflow_id = ended(world, unsaved=True)
    (commit,) = checkpoint_commits(world, workflow_id)
    world.engine.store.write(lambda tx: tx.delete_workflow(workflow_id))
    assert clean(world).orphans_removed == 0
    assert stands(world, workflow_id)
    _age_orphans(world, 1 * DAY)
    assert clean(world).orphans_removed == 1
    assert not stands(world, workflow_id)
    assert not (world.folder(workflow_id) / "home").exists()
    assert reports(world, workflow_id), "these have their own time"
    assert rescued(world, workflow_id) == workflow_id
    assert reachable(world, commit)
    assert git(mirror(world), "for-each-ref", "refs/heads/orchestrator", f"refs/orchestrator/{workflow_id}") == ""
    _age_orphans(world, 29 * DAY)
    assert clean(world).rescues_dropped == 1
    assert not world.folder(workflow_id).exists()
    assert git(mirror(world), "for-each-ref", "refs/orchestrator") == ""


def test_what_has_not_the_form_of_an_id_is_nobodys_orphan(world: World) -> None:
    settings = world.engine.settings
    clean(world)
    for root in (settings.worktree_root_path, settings.workflow_root_path):
        (root / "notes").mkdir()
        (root / "notes" / "precious").write_text("x")
        (root / "wf-XYZ").mkdir()
    clean(world)
    _age_orphans(world, 100 * DAY)
    clean(world)
    assert (settings.worktree_root_path / "notes" / "precious").exists()
    assert (settings.workflow_root_path / "wf-XYZ").exists()
    assert settings.archive_root_path.exists()


def test_a_folder_that_no_repository_knows_stays_and_is_named(world: World) -> None:
    ended(world)
    stray = world.engine.settings.worktree_root_path / "wf-aaaaaaaaaaaa" / "api"
    stray.mkdir(parents=True)
    (stray / "precious").write_text("x")
    clean(world)
    _age_orphans(world, 1 * DAY)
    (problem,) = clean_up(world.engine).problems
    assert "wf-aaaaaaaaaaaa: no repository to save its files in" in problem
    assert (stray / "precious").exists()


def test_a_row_without_a_folder_is_put_right(world: World) -> None:
    workflow_id = ended(world)
    clean(world)
    world.tree(workflow_id, "api").parent.rename(world.home / "away")
    assert clean(world).worktrees_removed == 1
    (said,) = events(world, workflow_id, "WorkTreeRemoved")
    assert said["reason"] == "missing"
    assert all(reachable(world, commit) for commit in checkpoint_commits(world, workflow_id))


def test_one_tree_that_cannot_be_saved_keeps_no_other(world: World) -> None:
    good, bad = ended(world, ago=2 * DAY), ended(world, ago=2 * DAY, unsaved=True)
    refs = mirror(world) / "refs" / "orchestrator" / "rescue"
    refs.mkdir(parents=True, exist_ok=True)
    (refs / bad).write_text("")
    (problem,) = clean_up(world.engine).problems
    assert bad in problem
    assert (stands(world, good), stands(world, bad)) == (False, True)


def _age_orphans(world: World, by: timedelta) -> None:
    execute(world, "UPDATE orphans SET seen_at = {0} WHERE :id = ''", "seen_at", by, "")
