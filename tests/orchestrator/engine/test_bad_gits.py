"""Repositories that cannot be worked on: the error names the Git and what to do, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.domain.errors import GitError, GitRefNotFound, GitUnreachable, InputError
from orchestrator.domain.states import WorkflowStatus
from orchestrator.git import WorkTree
from tests.orchestrator.engine.world import World, git, repository, task, work


def empty(folder: Path) -> dict[str, str]:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return {"url": str(folder)}


def without_the_ref(folder: Path) -> dict[str, str]:
    return {"url": str(repository(folder, {"a": "b"})), "ref": "no_such_branch"}


def missing(folder: Path) -> dict[str, str]:
    return {"url": str(folder)}


def no_repository(folder: Path) -> dict[str, str]:
    folder.mkdir()
    return {"url": str(folder)}


def nobody_listens(folder: Path) -> dict[str, str]:
    del folder
    return {"url": "https://127.0.0.1:9/acme/api.git"}


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (empty, GitRefNotFound, "is an empty repository: push a first commit to it"),
        (without_the_ref, GitRefNotFound, "has no branch, tag or commit 'no_such_branch'; correct `ref`, or push it"),
        (missing, GitUnreachable, "check the address, the access and the network"),
        (no_repository, GitUnreachable, "check the address, the access and the network"),
        (nobody_listens, GitUnreachable, "check the address, the access and the network"),
    ],
)
def test_a_repository_that_cannot_be_used_fails_the_workflow_and_leaves_no_worktree(
    world: World, tmp_path: Path, make: Callable[[Path], dict[str, str]], kind: type[GitError], words: str
) -> None:
    gits = {"api": {"url": str(world.api)}, "bad": make(tmp_path / "bad")}
    workflow_id = world.create(world.spec([work("fix", task("patch", "true"))], gits=gits))
    with pytest.raises(kind, match='git "bad": ') as raised:
        world.perform(workflow_id, "fix")
    assert words in str(raised.value)
    workflow = world.workflow(workflow_id)
    assert (workflow.status, workflow.error) == (WorkflowStatus.FAILED, str(raised.value))
    assert not (world.engine.git.worktree_root / workflow_id).exists()
    assert "AgentStarted" not in world.events(workflow_id)
    branches = [git(mirror, "branch", "--list", "orchestrator/*") for mirror in world.engine.git.root.glob("*.git")]
    assert all(not branch for branch in branches)


@pytest.mark.parametrize("hostile", ["ext::sh -c touch% owned", "--upload-pack=touch owned", "gopher://localhost/x"])
def test_an_address_that_inputs_make_dangerous_is_refused_before_anything_is_written(
    world: World, hostile: str
) -> None:
    loaded = world.spec(
        [work("fix", task("patch", "true"))],
        gits={"api": {"url": "{{ inputs.url }}"}},
        inputs={"url": {"type": "string"}},
    )
    with pytest.raises(InputError, match='git "api": url'):
        world.create(loaded, url=hostile)
    assert world.engine.store.read(lambda reader: reader.workflows()) == []


def test_a_password_in_the_address_is_in_no_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "geheim-1234-geheim")
    gits = {"api": {"url": "https://user:${API_TOKEN}@127.0.0.1:9/acme/api.git"}}
    workflow_id = world.create(world.spec([work("fix", task("patch", "true"))], gits=gits))
    with pytest.raises(GitUnreachable) as raised:
        world.perform(workflow_id, "fix")
    assert "geheim" not in str(raised.value)
    assert "geheim" not in (world.workflow(workflow_id).error or "")


def test_a_worktree_that_cannot_be_made_takes_the_others_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add = WorkTree.add

    def fail_on_web(self: WorkTree, base: str) -> None:
        if self.name == "web":
            raise GitError("no space left on device", command="read-tree")
        add(self, base)

    monkeypatch.setattr(WorkTree, "add", fail_on_web)
    workflow_id = world.create(world.spec([work("fix", task("patch", "true"))]))
    with pytest.raises(GitError, match='git "web": no space left'):
        world.perform(workflow_id, "fix")
    assert not world.tree(workflow_id, "api").exists()
    assert world.workflow(workflow_id).status is WorkflowStatus.FAILED
