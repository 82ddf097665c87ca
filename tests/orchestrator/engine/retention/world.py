"""Workflows that ended a while ago, made without an agent: rows, trees, Reports and Checkpoints as a run leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from orchestrator.domain import ids
from orchestrator.domain.checkpoints import trailers
from orchestrator.domain.states import PauseReason, WorkflowStatus
from orchestrator.engine import workspace
from orchestrator.engine.begin import open_trees
from orchestrator.engine.files import write_whole
from orchestrator.engine.plan import load_plan
from orchestrator.engine.retention.cleanup import clean_up
from orchestrator.engine.retention.outcome import Outcome
from orchestrator.git import tree_lock
from orchestrator.spec.load import LoadedSpec
from orchestrator.store.rows import NewReport, NewWorkTree, TaskResult
from tests.orchestrator.engine.world import World, git, task, work

UNSAVED = "unsaved.txt"


def spec(world: World, **attributes: Any) -> LoadedSpec:
    """One Work over `api`, with one Task that yields a Report."""
    gits = {"api": {"url": str(world.api)}}
    report = {"title": "What", "outline": []}
    return world.spec([work("only", task("one", "true", report=report))], gits=gits, **attributes)


def ended(
    world: World,
    *,
    status: WorkflowStatus = WorkflowStatus.COMPLETED,
    ago: timedelta = timedelta(),
    unsaved: bool = False,
    loaded: LoadedSpec | None = None,
) -> str:
    """A Workflow with one Checkpoint, a WorkTree, a WorkSpace, an agent's HOME and a Report, that ended then."""
    engine = world.engine
    workflow_id = world.create(loaded or spec(world))
    _, plan = load_plan(engine.store, workflow_id)
    work_id = ids.work_id(workflow_id, "only")
    task_id = ids.task_id(workflow_id, "only", "one")
    with tree_lock(engine.git, workflow_id) as lock:
        (tree,) = open_trees(engine, plan, lock).values()
        tree.mirror.update("main")
        base = tree.mirror.resolve("main")
        tree.add(base)
        row = NewWorkTree(
            workflow_id=workflow_id,
            git="api",
            url=str(world.api),
            ref="main",
            path=str(tree.path),
            branch=tree.refs.branch,
            base_commit=base,
        )
        engine.store.write(lambda tx: tx.record_worktree(row))
        engine.store.write(lambda tx: tx.change_workflow(workflow_id, WorkflowStatus.READY))
        engine.store.write(lambda tx: tx.change_workflow(workflow_id, WorkflowStatus.RUNNING))
        engine.store.write(lambda tx: tx.start_work(work_id))
        engine.store.write(lambda tx: tx.start_task(task_id, query_length=1))
        path = workspace.report_path(engine.settings.workflow_root_path, workflow_id, "only", "one")
        write_whole(path, f"# What {workflow_id} did\n")
        report = NewReport(title="What", path=str(path), bytes=path.stat().st_size)
        result = TaskResult(stop_reason="end_turn", duration_ms=1)
        engine.store.write(lambda tx: tx.complete_task(task_id, result, report))
        workspace.make(
            engine.settings.workflow_root_path,
            workflow_id,
            "only",
            trees={"api": tree.path},
            reports={"only/one": path},
        )
        home = workspace.agent_home(engine.settings.workflow_root_path, workflow_id)
        home.mkdir()
        (home / "session").write_text("x")
        (tree.path / "done.txt").write_text(workflow_id)
        checkpoint_id = engine.store.write(lambda tx: tx.reserve_checkpoint(work_id))
        marks = trailers(workflow_id=workflow_id, work_id=work_id, checkpoint_id=checkpoint_id, sequence=1)
        commit = tree.commit_checkpoint(parent=base, message="done", trailers=marks)
        engine.store.write(lambda tx: tx.complete_work(work_id, {"api": commit}))
        if unsaved:
            (tree.path / UNSAVED).write_text(workflow_id)
    if status is WorkflowStatus.PAUSED:
        engine.store.write(lambda tx: tx.change_workflow(workflow_id, status, reason=PauseReason.OPERATOR))
    elif status is not WorkflowStatus.RUNNING:
        engine.store.write(lambda tx: tx.change_workflow(workflow_id, status))
    age(world, workflow_id, ago)
    return workflow_id


def age(world: World, workflow_id: str, by: timedelta) -> None:
    """Move the Workflow's end, and what was invalidated or archived of it, into the past."""
    execute(world, "UPDATE workflows SET ended_at = {0} WHERE id = :id", "ended_at", by, workflow_id)
    execute(
        world, "UPDATE checkpoints SET invalidated_at = {0} WHERE workflow_id = :id", "invalidated_at", by, workflow_id
    )
    execute(world, "UPDATE archives SET restored_at = {0} WHERE workflow_id = :id", "restored_at", by, workflow_id)


def execute(world: World, statement: str, column: str, by: timedelta, id: str) -> None:
    """A statement in which `{0}` stands for the column, so much earlier."""
    earlier = f"strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{by.total_seconds()} seconds')"
    with world.engine.store._engine.begin() as connection:
        connection.execute(text(statement.format(earlier)), {"id": id})


def clean(world: World) -> Outcome:
    """A pass without problems."""
    outcome = clean_up(world.engine)
    assert outcome.problems == []
    return outcome


def mirror(world: World) -> Path:
    """The bare repository of `api`."""
    (path,) = world.engine.git.root.glob("*.git")
    return path


def reachable(world: World, commit: str) -> bool:
    """Whether a ref of the mirror leads to the commit."""
    return bool(git(mirror(world), "for-each-ref", "--contains", commit, "--format=%(refname)"))


def rescued(world: World, workflow_id: str, file: str = UNSAVED) -> str | None:
    """What the Workflow's rescue refs hold of a file."""
    refs = git(mirror(world), "for-each-ref", "--format=%(refname)", f"refs/orchestrator/rescue/{workflow_id}").split()
    for ref in refs:
        if file in git(mirror(world), "ls-tree", "--name-only", ref).split():
            return git(mirror(world), "show", f"{ref}:{file}")
    return None


def checkpoint_commits(world: World, workflow_id: str) -> Iterator[str]:
    """Of every Checkpoint that the Workflow has a row of."""
    for checkpoint in world.engine.store.read(lambda reader: reader.checkpoints(workflow_id, valid_only=False)):
        yield from checkpoint.commits.values()


def stands(world: World, workflow_id: str) -> bool:
    """Whether the WorkTree is there."""
    return world.tree(workflow_id, "api").is_dir()


def reports(world: World, workflow_id: str) -> list[Path]:
    """The Report files in the Workflow's folder."""
    return sorted((world.folder(workflow_id) / "reports").rglob("*.md"))


def archive(world: World, workflow_id: str) -> Path:
    """Where the Workflow's archive lies, or would."""
    return world.engine.settings.archive_root_path / "reports" / f"{workflow_id}.tar.gz"


def events(world: World, workflow_id: str, type: str) -> list[dict[str, Any]]:
    """What the Workflow's events of a type say."""
    found = world.engine.store.read(lambda reader: reader.events(workflow_id))
    return [dict(event.context) for event in found if event.type == type]
