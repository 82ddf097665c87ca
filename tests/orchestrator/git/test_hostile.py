"""An agent owns what its git can write in the mirror. Nothing that it plants there may run in a command of ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.git import GitCommand, GitSettings, Mirror, TreeLock, WorkTree
from tests.orchestrator.git.repository import Repository, new_repository

Planted = tuple[str, Callable[[], bool]]

HOOKS = ("post-checkout", "pre-commit", "post-commit", "reference-transaction", "post-index-change", "post-rewrite")


def _work(tree: WorkTree, mirror: Mirror, upstream: Repository, base: str) -> None:
    """Everything that we ever do in a tree, with content that makes git look at files again."""
    upstream.commit("upstream moved")
    (tree.path / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    (tree.path / "README.md").write_text("changed\n")
    tree.add(base)
    mirror.update()
    snapshot = tree.snapshot(work="w", task="t", message="m")
    (tree.path / "README.md").write_text("changed again\n")
    commit = tree.commit_checkpoint(parent=base, message="m", trailers={"Checkpoint-Id": "cp-1"})
    mirror.files_changed(since=base, until=commit)
    tree.find_checkpoint("cp-1")
    (tree.path / "src/app.py").write_text("changed\n")
    tree.rescue("tk", since=commit)
    tree.restore(snapshot, branch_at=base)
    tree.undo_checkpoint(commit=base, back_to=base)
    (tree.path / "more").write_text("x")
    tree.remove()
    tree.add(base)


def _plant_config(repository: Repository, script: str) -> None:
    for key in ("core.fsmonitor", "core.sshCommand", "core.askPass", "core.editor", "core.pager", "gpg.program"):
        repository.git("config", key, script)
    for key in ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.command"):
        repository.git("config", key, script)
    for key in ("diff.evil.textconv", "merge.evil.driver", "credential.helper", "diff.external"):
        repository.git("config", key, script)
    for key, value in (("commit.gpgSign", "true"), ("filter.evil.required", "true"), ("alias.ls-files", f"!{script}")):
        repository.git("config", key, value)


def _plant_hooks(folder: Path, script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for hook in HOOKS:
        shutil.copy(script, folder / hook)


def test_planted_script_does_run_in_an_ordinary_git(tree: WorkTree, agent: Repository, planted: Planted) -> None:
    script, ran = planted
    _plant_config(agent, script)
    agent.git("status", check=False)
    assert ran()


def test_shared_config(
    tree: WorkTree, agent: Repository, mirror: Mirror, upstream: Repository, base: str, planted: Planted
) -> None:
    script, ran = planted
    _plant_config(agent, script)
    _work(tree, mirror, upstream, base)
    assert not ran()


def test_shared_config_planted_again_after_each_of_our_commands(
    upstream: Repository, settings: GitSettings, lock: TreeLock, planted: Planted
) -> None:
    script, ran = planted
    evil = new_repository(settings.root.parent / "evil")
    _plant_config(evil, script)

    def plant(_: GitCommand) -> None:
        if mirror.control.mirror_path.exists():
            shutil.copy(evil.path / ".git" / "config", mirror.control.mirror_path / "config")
            _plant_hooks(mirror.control.mirror_path / "hooks", script)

    mirror = Mirror.open(str(upstream.path), replace(settings, observe=plant))
    mirror.update()
    tree = WorkTree(mirror=mirror, lock=lock, name="api")
    base = mirror.resolve("main")
    tree.add(base)
    _work(tree, mirror, upstream, base)
    assert not ran()


def test_shared_config_is_clean_again_for_the_next_agent(
    tree: WorkTree, agent: Repository, base: str, planted: Planted, stored: Repository
) -> None:
    script, ran = planted
    _plant_config(agent, script)
    _plant_hooks(stored.path / "hooks", script)
    agent.git("config", "extensions.worktreeConfig", "true")
    agent.git("config", "--worktree", "core.fsmonitor", script)
    (stored.path / "info").mkdir(exist_ok=True)
    (stored.path / "info" / "attributes").write_text("* filter=evil\n")
    tree.add(base)
    tree.restore(base)
    agent.git("status")
    assert not ran()
    assert "filter" not in (stored.path / "config").read_text()
    assert not (stored.path / "hooks").exists()


def test_hooks_in_the_mirror(
    tree: WorkTree, mirror: Mirror, upstream: Repository, base: str, planted: Planted, stored: Repository
) -> None:
    script, ran = planted
    _plant_hooks(stored.path / "hooks", script)
    stored.git("config", "core.hooksPath", str(stored.path / "hooks"))
    _work(tree, mirror, upstream, base)
    assert not ran()


def test_worktree_config(
    tree: WorkTree, agent: Repository, mirror: Mirror, upstream: Repository, base: str, planted: Planted
) -> None:
    script, ran = planted
    agent.git("config", "extensions.worktreeConfig", "true")
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge"):
        agent.git("config", "--worktree", key, script)
    _work(tree, mirror, upstream, base)
    assert not ran()


@pytest.mark.parametrize("as_folder", [False, True])
def test_pointer_to_the_repository_replaced(
    tree: WorkTree,
    agent: Repository,
    mirror: Mirror,
    upstream: Repository,
    base: str,
    planted: Planted,
    tmp_path: Path,
    as_folder: bool,
) -> None:
    script, ran = planted
    evil = new_repository(tmp_path / "evil")
    _plant_config(evil, script)
    _plant_hooks(evil.path / ".git" / "hooks", script)
    (tree.path / ".git").unlink()
    if as_folder:
        shutil.copytree(evil.path / ".git", tree.path / ".git")
    else:
        (tree.path / ".git").write_text(f"gitdir: {evil.path}/.git\n")
    _work(tree, mirror, upstream, base)
    assert not ran()
    assert Path(agent.git("rev-parse", "--git-common-dir")) == mirror.control.mirror_path


@pytest.mark.parametrize("file", ["commondir", "gitdir", "HEAD", "index"])
def test_files_of_the_admin_folder_replaced(
    tree: WorkTree,
    mirror: Mirror,
    upstream: Repository,
    base: str,
    planted: Planted,
    tmp_path: Path,
    stored: Repository,
    agent: Repository,
    file: str,
) -> None:
    script, ran = planted
    evil = new_repository(tmp_path / "evil")
    _plant_config(evil, script)
    admin = stored.path / "worktrees" / "wf-0123456789ab-api"
    (admin / file).unlink()
    if file == "commondir":
        (admin / file).write_text(f"{evil.path}/.git\n")
    elif file == "index":
        (admin / file / "inside").mkdir(parents=True)
    else:
        (admin / file).symlink_to(tmp_path / "victim")
    _work(tree, mirror, upstream, base)
    assert not ran()
    assert not (tmp_path / "victim").exists()
    assert agent.git("status", "--porcelain") == ""


def test_embedded_repository_and_submodule_with_a_planted_config(
    tree: WorkTree, agent: Repository, mirror: Mirror, upstream: Repository, base: str, planted: Planted
) -> None:
    script, ran = planted
    for name in ("embedded", "linked"):
        inner = new_repository(tree.path / name)
        inner.write(".gitattributes", "* filter=evil\n")
        inner.write("file", "x")
        inner.commit()
    agent.git("update-index", "--add", "--cacheinfo", f"160000,{inner.git('rev-parse', 'HEAD')},linked")
    agent.git("commit", "-qm", "a submodule")
    head = agent.git("rev-parse", "HEAD")
    tree.restore(head)
    shutil.rmtree(tree.path / "linked")
    for name in ("embedded", "linked"):
        inner = new_repository(tree.path / name)
        inner.write("file", "x")
        inner.commit()
        inner.write("file", "y")
        _plant_config(inner, script)
        _plant_hooks(inner.path / ".git" / "hooks", script)
    _work(tree, mirror, upstream, head)
    assert not ran()


def test_replaced_and_borrowed_objects_do_not_reach_a_checkpoint(
    tree: WorkTree, agent: Repository, stored: Repository, base: str, tmp_path: Path
) -> None:
    elsewhere = new_repository(tmp_path / "elsewhere")
    elsewhere.write("new", "borrowed\n")
    borrowed = elsewhere.commit()
    (stored.path / "objects/info").mkdir(exist_ok=True)
    (stored.path / "objects/info/alternates").write_text(f"{elsewhere.path}/.git/objects\n")
    agent.git("replace", base, borrowed)
    agent.write("new", "borrowed\n")
    commit = tree.commit_checkpoint(parent=base, message="m", trailers={"Checkpoint-Id": "cp-1"})
    shutil.rmtree(elsewhere.path)
    stored.git("replace", "-d", base)
    stored.git("fsck", "--full")
    assert stored.git("show", f"{commit}:new") == "borrowed"
    assert stored.git("ls-tree", "--name-only", commit).split() == ["README.md", "new", "src"]


def test_branch_made_a_symbolic_ref_moves_no_other_branch(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    stored.git("branch", "orchestrator/wf-other", base)
    stored.git("symbolic-ref", tree.refs.head, "refs/heads/orchestrator/wf-other")
    agent.write("new", "x")
    commit = tree.commit_checkpoint(parent=base, message="m", trailers={"Checkpoint-Id": "cp-1"})
    assert stored.git("rev-parse", "orchestrator/wf-other", tree.refs.head).split() == [base, commit]
