"""Checkpoints over several Gits: all or none, and never twice."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from orchestrator.domain.errors import GitError, GitLocked
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine import checkpoint as checkpoint_module
from orchestrator.engine import perform as perform_module
from orchestrator.git import WorkTree, tree_lock
from tests.orchestrator.engine.world import World, git, task, work

BOTH = task("patch", "echo 1 > api/a.txt; echo 1 > web/a.txt")


class Killed(BaseException):
    """Stands for a death: nothing of ours runs after it."""


def commits_on_branch(world: World, workflow_id: str, name: str) -> int:
    mirror = world.mirror_of(workflow_id, name)
    return int(
        git(mirror, "rev-list", "--count", f"refs/orchestrator/{workflow_id}/{name}/base..orchestrator/{workflow_id}")
    )


def test_when_the_second_gits_commit_fails_the_firsts_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = WorkTree.commit_checkpoint

    def fail_on_web(self: WorkTree, **arguments: object) -> str:
        if self.name == "web":
            raise GitError("no space left on device", command="commit-tree")
        return commit(self, **arguments)  # type: ignore[arg-type]

    workflow_id = world.create(world.spec([work("fix", BOTH)]))
    with monkeypatch.context() as patched:
        patched.setattr(WorkTree, "commit_checkpoint", fail_on_web)
        with pytest.raises(GitError, match="no space left"):
            world.perform(workflow_id, "fix")
    assert [commits_on_branch(world, workflow_id, name) for name in ("api", "web")] == [0, 0]
    assert (world.tree(workflow_id, "api") / "a.txt").exists(), "the files stay"

    (made,) = world.perform(workflow_id, "fix").checkpoints
    assert [commits_on_branch(world, workflow_id, name) for name in ("api", "web")] == [1, 1]
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
    assert git(world.tree(workflow_id, "web"), "rev-parse", "HEAD") == made.commits["web"]


@pytest.mark.parametrize("died_after", ["api", "web", "row"])
def test_a_death_around_the_commits_makes_no_second_commit(
    world: World, monkeypatch: pytest.MonkeyPatch, died_after: str
) -> None:
    commit = WorkTree.commit_checkpoint

    def die_after(self: WorkTree, **arguments: object) -> str:
        made = commit(self, **arguments)  # type: ignore[arg-type]
        if self.name == died_after:
            raise Killed
        return made

    def die_before_the_row(*arguments: object) -> None:
        raise Killed

    workflow_id = world.create(world.spec([work("fix", BOTH)]))
    with monkeypatch.context() as patched:
        patched.setattr(WorkTree, "commit_checkpoint", die_after)
        if died_after == "row":
            patched.setattr(checkpoint_module, "_complete", die_before_the_row)
        with pytest.raises(Killed):
            world.perform(workflow_id, "fix")
    branch = f"orchestrator/{workflow_id}"
    assert world.workflow(workflow_id).status is WorkflowStatus.RUNNING, "nobody could write down that it died"

    on_branch = {name: git(world.mirror_of(workflow_id, name), "rev-parse", branch) for name in ("api", "web")}
    agents = world.events(workflow_id).count("AgentStarted")

    (made,) = world.perform(workflow_id, "fix").checkpoints
    assert world.events(workflow_id).count("AgentStarted") == agents, "its Tasks were done"
    assert made.commits["api"] == on_branch["api"], "the commit that was made is the one that counts"
    if died_after != "api":
        assert made.commits["web"] == on_branch["web"]
    for name in ("api", "web"):
        assert git(world.mirror_of(workflow_id, name), "show", f"{made.commits[name]}:a.txt") == "1"


def test_two_executions_at_once_on_one_repository_do_not_disturb_each_other(world: World) -> None:
    loaded = world.spec([work("fix", task("patch", "echo $ORCHESTRATOR_WORKFLOW_ID > api/who.txt"))])
    workflow_ids = [world.create(loaded) for _ in range(3)]
    errors: list[BaseException] = []

    def run(workflow_id: str) -> None:
        try:
            world.perform(workflow_id, "fix")
        except BaseException as error:  # noqa: BLE001 — carried to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(workflow_id,)) for workflow_id in workflow_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    mirror = world.mirror_of(workflow_ids[0], "api")
    for workflow_id in workflow_ids:
        assert git(mirror, "show", f"orchestrator/{workflow_id}:who.txt") == workflow_id


def test_a_second_worker_changes_nothing_while_the_first_has_the_workflow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow_id = world.create(world.spec([work("fix", BOTH)]))
    monkeypatch.setattr(perform_module, "tree_lock", partial(tree_lock, timeout_ms=200))
    with tree_lock(world.engine.git, workflow_id), pytest.raises(GitLocked, match=f"workflow {workflow_id}"):
        world.perform(workflow_id, "fix")
    assert world.workflow(workflow_id).status is WorkflowStatus.CREATED
    world.perform(workflow_id, "fix")
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
