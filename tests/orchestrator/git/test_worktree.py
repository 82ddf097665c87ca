"""Trees and their Checkpoints: what lands on the branch, what on hidden refs, and that everything can be done twice."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.domain.checkpoints import trailers
from orchestrator.domain.errors import GitError, RefMoved
from orchestrator.git import GitSettings, Mirror, TreeLock, WorkTree, branch_names
from tests.orchestrator.git.repository import Repository


def _trailers(checkpoint_id: str = "cp-1") -> dict[str, str]:
    return trailers(workflow_id="wf-1", work_id="wk-1", checkpoint_id=checkpoint_id, sequence=1)


def _checkpoint(tree: WorkTree, parent: str, checkpoint_id: str = "cp-1") -> str:
    return tree.commit_checkpoint(parent=parent, message="fix: patch", trailers=_trailers(checkpoint_id))


def test_is_a_git_worktree_on_a_branch_of_the_workflow(
    tree: WorkTree, agent: Repository, stored: Repository, settings: GitSettings
) -> None:
    assert tree.path == settings.worktree_root / "wf-0123456789ab" / "api"
    assert agent.git("branch", "--show-current") == "orchestrator/wf-0123456789ab"
    assert agent.git("status", "--porcelain") == ""
    assert f"worktree {tree.path}" in stored.git("worktree", "list", "--porcelain").splitlines()
    stored.git("worktree", "prune", "--expire=now")
    assert agent.git("rev-parse", "HEAD") == tree.head()


def test_add_again_changes_nothing(tree: WorkTree, agent: Repository, base: str) -> None:
    agent.write("README.md", "changed\n")
    agent.git("add", "README.md")
    agent.git("checkout", "-q", "-b", "elsewhere")
    tree.add(base)
    assert agent.git("status", "--porcelain") == "M  README.md"
    assert agent.git("branch", "--show-current") == "elsewhere"


def test_base_stays_although_it_is_forced_away_upstream(
    tree: WorkTree, mirror: Mirror, upstream: Repository, stored: Repository, base: str
) -> None:
    upstream.git("checkout", "-q", "--orphan", "anew")
    upstream.commit("anew")
    upstream.git("branch", "-f", "main", "anew")
    mirror.update()
    assert mirror.resolve("main") != base
    assert stored.git("for-each-ref", "--contains", base, "--format=%(refname)", "refs/orchestrator") == tree.refs.base


def test_snapshot_takes_new_changed_and_deleted_files_and_moves_no_branch(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    agent.write("new/file", "x")
    agent.write("README.md", "changed\n")
    agent.write(".gitignore", "*.log\n")
    agent.write("noise.log", "x")
    (tree.path / "src/app.py").unlink()
    commit = tree.snapshot(work="fix", task="patch", message="fix: patch")
    assert stored.git("diff", "--name-status", base, commit).splitlines() == [
        "A\t.gitignore",
        "M\tREADME.md",
        "A\tnew/file",
        "D\tsrc/app.py",
    ]
    assert stored.git("rev-parse", f"{commit}^", tree.refs.head).split() == [base, base]
    assert stored.git("rev-parse", tree.refs.task("fix", "patch")) == commit
    assert stored.git("log", "-1", "--format=%an <%ae> %cn", commit) == (
        "Workflow Orchestrator <orchestrator@localhost> Workflow Orchestrator"
    )


def test_snapshot_of_an_unchanged_tree_is_its_parent_and_still_has_a_ref(
    tree: WorkTree, stored: Repository, base: str
) -> None:
    assert tree.snapshot(work="fix", task="look", message="m") == base
    assert stored.git("rev-parse", tree.refs.task("fix", "look")) == base


def test_file_that_becomes_a_folder_and_a_folder_that_becomes_a_file(
    tree: WorkTree, agent: Repository, stored: Repository
) -> None:
    (tree.path / "README.md").unlink()
    agent.write("README.md/inside", "x")
    (tree.path / "src/app.py").unlink()
    (tree.path / "src").rmdir()
    agent.write("src", "x")
    commit = tree.snapshot(work="w", task="t", message="m")
    assert stored.git("ls-tree", "-r", "--name-only", commit).split() == ["README.md/inside", "src"]


def test_change_hidden_in_the_agents_index_is_taken_all_the_same(
    tree: WorkTree, agent: Repository, stored: Repository
) -> None:
    agent.git("update-index", "--assume-unchanged", "README.md")
    agent.git("update-index", "--skip-worktree", "src/app.py")
    agent.write("README.md", "hidden\n")
    agent.write("src/app.py", "hidden\n")
    commit = tree.snapshot(work="w", task="t", message="m")
    assert stored.git("show", f"{commit}:README.md") == stored.git("show", f"{commit}:src/app.py") == "hidden"


def test_checkpoint_is_one_commit_with_trailers_on_the_branch(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    agent.write("new", "x")
    commit = _checkpoint(tree, base)
    assert stored.git("rev-list", f"{base}..{tree.refs.head}") == commit
    assert stored.git("log", "-1", "--format=%s%n%(trailers:only,unfold)", commit).splitlines() == [
        "fix: patch",
        "Workflow-Id: wf-1",
        "Work-Id: wk-1",
        "Checkpoint-Id: cp-1",
        "Work-Sequence: 1",
    ]
    assert agent.git("status", "--porcelain") == ""
    assert tree.head() == commit


def test_checkpoint_of_an_unchanged_tree_is_its_parent(tree: WorkTree, stored: Repository, base: str) -> None:
    assert _checkpoint(tree, base) == base
    assert stored.git("rev-parse", tree.refs.head) == base


def test_checkpoint_is_found_by_its_trailer_and_by_no_other_mention(
    tree: WorkTree, agent: Repository, base: str
) -> None:
    assert tree.find_checkpoint("cp-1") is None
    agent.write("new", "x")
    one = _checkpoint(tree, base)
    agent.write("new", "y")
    text = "quotes\n\nCheckpoint-Id: cp-3\n\nin its text"
    two = tree.commit_checkpoint(parent=one, message=text, trailers=_trailers("cp-2"))
    assert (tree.find_checkpoint("cp-1"), tree.find_checkpoint("cp-2")) == (one, two)
    assert tree.find_checkpoint("cp-3") is None


def test_commits_of_the_agent_are_squashed_and_stay_reachable(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    agent.write("one", "x")
    agent.commit("agent: one")
    agent.write("two", "x")
    own = agent.commit("agent: two")
    agent.write("three", "x")
    commit = _checkpoint(tree, base)
    assert stored.git("rev-list", f"{base}..{tree.refs.head}") == commit
    assert stored.git("ls-tree", "--name-only", commit).split() == ["README.md", "one", "src", "three", "two"]
    assert stored.git("rev-parse", tree.refs.agent("cp-1")) == own


def test_agent_on_its_own_branch_is_put_back_and_its_branch_name_is_free_again(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    agent.write("one", "x")
    on_ours = agent.commit("on our branch")
    agent.git("checkout", "-q", "-b", "fix", base)
    agent.write("two", "x")
    on_fix = agent.commit("on fix")
    commit = _checkpoint(tree, base)
    assert agent.git("branch", "--show-current") == tree.refs.branch
    assert agent.git("status", "--porcelain") == ""
    assert stored.git("ls-tree", "--name-only", commit).split() == ["README.md", "src", "two"]
    assert stored.git("rev-parse", tree.refs.agent("cp-1"), f"{tree.refs.agent('cp-1')}-branch").split() == [
        on_fix,
        on_ours,
    ]
    assert stored.git("branch", "--list", "fix") == ""


def test_checkpoint_never_deletes_the_branch_of_another_workflow(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    stored.git("branch", "orchestrator/wf-other", base)
    agent.git("checkout", "-q", "orchestrator/wf-other")
    agent.write("new", "x")
    _checkpoint(tree, base)
    assert stored.git("rev-parse", "orchestrator/wf-other") == base


@pytest.mark.parametrize(
    "command",
    [
        ("checkout", "-q", "--orphan", "unborn"),
        ("checkout", "-q", "--detach"),
        ("update-ref", "-d", "refs/heads/orchestrator/wf-0123456789ab"),
        ("symbolic-ref", "HEAD", "refs/heads/none"),
    ],
)
def test_checkpoint_holds_whatever_the_agent_did_to_head(
    tree: WorkTree, agent: Repository, base: str, command: tuple[str, ...]
) -> None:
    agent.git(*command)
    agent.write("new", "x")
    commit = _checkpoint(tree, base)
    assert agent.git("rev-parse", "HEAD", "HEAD^").split() == [commit, base]
    assert agent.git("branch", "--show-current") == tree.refs.branch
    assert agent.git("status", "--porcelain") == ""


def test_checkpoint_ends_a_merge_that_the_agent_left_half_way(tree: WorkTree, agent: Repository, base: str) -> None:
    agent.git("checkout", "-q", "-b", "side")
    agent.write("README.md", "side\n")
    agent.commit("side")
    agent.git("checkout", "-q", tree.refs.branch)
    agent.write("README.md", "ours\n")
    agent.commit("ours")
    agent.git("merge", "side", check=False)
    commit = _checkpoint(tree, base)
    assert agent.git("status", "--porcelain=v2", "--branch").splitlines()[0] == f"# branch.oid {commit}"
    assert "merg" not in agent.git("status")


def test_branch_moved_by_another_process_meanwhile_is_an_error_and_changes_nothing(
    tree: WorkTree, agent: Repository, stored: Repository, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.write("new", "x")
    tree_commit = tree._commit
    foreign = stored.git("commit-tree", "-p", base, "-m", "foreign", f"{base}^{{tree}}")

    def commit_while_another_moves(*args: str) -> str:
        stored.git("update-ref", tree.refs.head, foreign)
        return tree_commit(*args)

    monkeypatch.setattr(tree, "_commit", commit_while_another_moves)
    with pytest.raises(RefMoved, match="nothing was changed"):
        _checkpoint(tree, base)
    assert stored.git("rev-parse", tree.refs.head) == foreign


def test_undo_takes_the_commit_off_the_branch_and_leaves_the_files(
    tree: WorkTree, agent: Repository, base: str
) -> None:
    agent.write("new", "x")
    commit = _checkpoint(tree, base)
    tree.undo_checkpoint(commit=commit, back_to=base)
    assert tree.head() == base
    assert (tree.path / "new").read_text() == "x"
    assert _checkpoint(tree, base, "cp-2") != base
    with pytest.raises(RefMoved):
        tree.undo_checkpoint(commit=commit, back_to=base)


def test_one_repository_under_two_names_gets_two_branches(
    mirror: Mirror, lock: TreeLock, upstream: Repository, base: str
) -> None:
    url = str(upstream.path)
    branches = branch_names(lock.workflow_id, {"api": url, "web": "/other", "again": url})
    assert branches == {
        "api": f"orchestrator/{lock.workflow_id}",
        "web": f"orchestrator/{lock.workflow_id}",
        "again": f"orchestrator/{lock.workflow_id}-again",
    }
    commits = []
    for name in ("api", "again"):
        tree = WorkTree(mirror=mirror, lock=lock, name=name, branch=branches[name])
        tree.add(base)
        (tree.path / name).write_text("x")
        tree.snapshot(work="w", task="t", message=name)
        commits.append(_checkpoint(tree, base))
    assert len(set(commits)) == 2
    assert len(mirror.control.runner().run("for-each-ref", "refs/orchestrator/*/*/tasks/w/t").splitlines()) == 2


def test_tree_that_was_never_added_is_an_error_that_says_so(mirror: Mirror, lock: TreeLock, base: str) -> None:
    tree = WorkTree(mirror=mirror, lock=lock, name="api")
    with pytest.raises(GitError, match="`add` makes it anew"):
        tree.snapshot(work="w", task="t", message="m")


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x"])
def test_name_that_is_no_folder_name_is_refused(mirror: Mirror, lock: TreeLock, name: str) -> None:
    with pytest.raises(GitError, match="folder's name"):
        WorkTree(mirror=mirror, lock=lock, name=name)


def test_stock_git_reads_what_we_wrote(tree: WorkTree, agent: Repository, stored: Repository, base: str) -> None:
    agent.write("new", "x")
    _checkpoint(tree, base)
    stored.git("fsck", "--full", "--strict")
    ended = subprocess.run(["git", "log", "--oneline"], cwd=tree.path, capture_output=True, text=True, check=True)
    assert len(ended.stdout.splitlines()) == 2
    assert Path(agent.git("rev-parse", "--git-common-dir")) == stored.path
