"""Rolling back, reordering and deleting: every Git together, nothing lost that was not asked to go."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from orchestrator.domain.errors import CheckpointRefused, LeaseHeld, NotFound, SpecChanged, WrongState
from orchestrator.domain.states import PauseReason, WorkflowStatus, WorkStatus
from orchestrator.engine.control import ask_resume
from orchestrator.engine.delete import delete
from orchestrator.engine.resume import accept_resume
from orchestrator.engine.rollback import roll_back
from orchestrator.spec.load import LoadedSpec
from tests.orchestrator.engine.running import worker
from tests.orchestrator.engine.world import World, git, task, work

WORKS = ("first", "second", "third")


def spec(world: World, *names: str, **attributes: Any) -> LoadedSpec:
    """Each Work appends its name in both repositories and writes a Report."""
    report = {"title": "What it did", "outline": []}
    both = [
        work(name, task("only", f"echo {name} >> api/log.txt", f"echo {name} >> web/log.txt", report=report))
        for name in names
    ]
    return world.spec(both, **attributes)


def completed(world: World) -> str:
    """A Workflow that ran through."""
    workflow_id = world.create(spec(world, *WORKS))
    world.perform(workflow_id, *WORKS)
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
    return workflow_id


def checkpoint_of(world: World, workflow_id: str, name: str) -> str:
    found = world.engine.store.read(lambda reader: reader.checkpoints(workflow_id))
    return next(checkpoint.id for checkpoint in found if checkpoint.work == name)


def log(world: World, workflow_id: str, name: str) -> list[str]:
    """The lines of the log in one tree, which must be those of its branch."""
    tree = world.tree(workflow_id, name)
    assert (
        git(world.mirror_of(workflow_id, name), "show", f"orchestrator/{workflow_id}:log.txt").split()
        == (tree / "log.txt").read_text().split()
    )
    return (tree / "log.txt").read_text().split()


def resume(world: World, workflow_id: str, loaded: LoadedSpec) -> None:
    request = ask_resume(world.engine.store, workflow_id, launched=True)
    accept_resume(world.engine.store, workflow_id, run_id="another", document=loaded.document, resume_id=request.id)


def test_a_completed_workflow_goes_back_with_all_its_gits_and_runs_again_from_there(world: World) -> None:
    workflow_id = completed(world)
    tips = {
        name: git(world.mirror_of(workflow_id, name), "rev-parse", f"orchestrator/{workflow_id}")
        for name in ("api", "web")
    }
    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=checkpoint_of(world, workflow_id, "first"))

    row = world.workflow(workflow_id)
    assert (row.status, row.pause_reason, row.correlation_id) == (
        WorkflowStatus.PAUSED,
        PauseReason.ROLLBACK,
        f"{workflow_id}-002",
    )
    assert log(world, workflow_id, "api") == log(world, workflow_id, "web") == ["first"]
    for name, tip in tips.items():
        mirror = world.mirror_of(workflow_id, name)
        rescued = git(mirror, "for-each-ref", "--format=%(refname)", "refs/orchestrator/rescue")
        assert git(mirror, "merge-base", "--is-ancestor", tip, rescued) == ""
    works = world.engine.store.read(lambda reader: reader.works(workflow_id))
    assert [each.status for each in works] == [WorkStatus.COMPLETED, WorkStatus.PENDING, WorkStatus.PENDING]
    reports = world.engine.store.read(lambda reader: reader.reports(workflow_id))
    assert [report.stale for report in reports] == [False, True, True]
    assert world.events(workflow_id)[-4:] == [
        "WorkflowStatusChanged",
        "WorkflowRolledBack",
        "CheckpointInvalidated",
        "CheckpointInvalidated",
    ]

    world.perform(workflow_id, *WORKS)
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
    assert log(world, workflow_id, "web") == list(WORKS)


def test_rolled_back_to_the_last_checkpoint_a_resume_completes_it_again(world: World) -> None:
    workflow_id = completed(world)
    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=checkpoint_of(world, workflow_id, "third"))
    world.perform(workflow_id, *WORKS)
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED


def test_a_death_between_the_decision_and_the_trees_is_made_good_by_the_next_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow_id = completed(world)
    target = checkpoint_of(world, workflow_id, "first")
    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.git.worktree.WorkTree.restore", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=target)
    assert world.workflow(workflow_id).status is WorkflowStatus.PAUSED

    world.perform(workflow_id, *WORKS)
    assert log(world, workflow_id, "api") == log(world, workflow_id, "web") == list(WORKS)


def test_what_no_valid_checkpoint_of_this_workflow_is_is_refused_with_those_there_are(world: World) -> None:
    workflow_id, other = completed(world), completed(world)
    mine = checkpoint_of(world, workflow_id, "first")
    foreign = checkpoint_of(world, other, "first")
    late = checkpoint_of(world, workflow_id, "third")
    before = world.events(workflow_id)
    for wrong in ("cp-000000000000", foreign):
        with pytest.raises(CheckpointRefused, match=rf"{wrong} is not one of its Checkpoints; .*{mine} \(first\)"):
            roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=wrong)
    assert world.events(workflow_id) == before
    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=mine)
    with pytest.raises(CheckpointRefused, match=f"{late} was invalidated"):
        roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=late)


def test_when_one_git_cannot_go_none_goes(world: World) -> None:
    workflow_id = completed(world)
    shutil.rmtree(world.mirror_of(workflow_id, "web"))
    before = world.events(workflow_id)
    with pytest.raises(Exception, match="web"):
        roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=checkpoint_of(world, workflow_id, "first"))
    assert world.events(workflow_id) == before
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
    assert log(world, workflow_id, "api") == list(WORKS)


def test_what_runs_is_neither_rolled_back_nor_deleted(world: World) -> None:
    running = world.home / "running"
    workflow_id = world.create(world.spec([work("slow", task("one", f"touch {running}; sleep 60"))]))
    with worker(world, workflow_id, "slow", until=running):
        with pytest.raises(WrongState, match="is RUNNING and cannot be rolled back: pause it first"):
            roll_back(world.engine, workflow_id=workflow_id, checkpoint_id="cp-000000000000")
        with pytest.raises(WrongState, match="is RUNNING and cannot be deleted: pause or cancel it first"):
            delete(world.engine, workflow_id=workflow_id)
        assert world.workflow(workflow_id).status is WorkflowStatus.RUNNING


def test_deleting_leaves_the_event_the_rescue_refs_and_nothing_else(world: World) -> None:
    workflow_id = completed(world)
    mirror = world.mirror_of(workflow_id, "api")
    (world.tree(workflow_id, "api") / "unsaved.txt").write_text("unsaved")
    delete(world.engine, workflow_id=workflow_id)

    with pytest.raises(NotFound):
        world.workflow(workflow_id)
    assert world.events(workflow_id)[-1] == "WorkflowDeleted"
    assert not world.folder(workflow_id).exists()
    assert not (world.engine.git.worktree_root / workflow_id).exists()
    refs = git(mirror, "for-each-ref", "--format=%(refname)").split()
    (rescue,) = [ref for ref in refs if workflow_id in ref]
    assert git(mirror, "show", f"{rescue}:unsaved.txt") == "unsaved"
    with pytest.raises(NotFound):
        delete(world.engine, workflow_id=workflow_id)


def test_a_new_order_in_the_spec_is_taken_by_the_next_resume(world: World) -> None:
    workflow_id = completed(world)
    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=checkpoint_of(world, workflow_id, "third"))
    other = spec(world, "first", "third", "second")
    resume(world, workflow_id, other)

    works = world.engine.store.read(lambda reader: reader.works(workflow_id))
    assert [(each.name, each.status) for each in works] == [
        ("first", WorkStatus.COMPLETED),
        ("third", WorkStatus.PENDING),
        ("second", WorkStatus.PENDING),
    ]
    world.perform(workflow_id, "first", "third", "second")
    assert log(world, workflow_id, "api") == ["first", "third", "second"]


def test_what_stands_behind_a_moved_work_runs_again_too(world: World) -> None:
    workflow_id = completed(world)
    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=checkpoint_of(world, workflow_id, "third"))
    resume(world, workflow_id, spec(world, "second", "first", "third"))
    assert world.engine.store.read(lambda reader: reader.checkpoints(workflow_id)) == []


def test_a_resume_takes_the_budget_of_the_current_spec_and_its_text_from_the_old(world: World) -> None:
    workflow_id = completed(world)
    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=checkpoint_of(world, workflow_id, "first"))
    changed = world.spec(
        [work(name, task("only", "echo changed >> api/log.txt")) for name in WORKS], budget={"tokens": 7}
    )
    resume(world, workflow_id, changed)
    document = world.engine.store.read(lambda reader: reader.spec_document(world.workflow(workflow_id).spec_digest))
    assert '"tokens":7' in document
    assert "changed" not in document


def test_a_spec_of_other_works_is_refused_and_names_them(world: World) -> None:
    workflow_id = completed(world)
    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=checkpoint_of(world, workflow_id, "first"))
    with pytest.raises(SpecChanged, match=r"gone: second; new: extra"):
        resume(world, workflow_id, spec(world, "first", "extra", "third"))


def test_nothing_is_rolled_back_while_a_worker_holds_the_workflow(world: World) -> None:
    workflow_id = completed(world)
    target = checkpoint_of(world, workflow_id, "first")
    ask = world.engine.store
    roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=target)
    ask_resume(ask, workflow_id)
    with pytest.raises((WrongState, LeaseHeld), match="is being resumed and cannot be rolled back"):
        roll_back(world.engine, workflow_id=workflow_id, checkpoint_id=target)
