"""Leaving a state of the tree behind: rescue what is in it, restore another, remove it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from orchestrator.domain.errors import GitError
from orchestrator.git import GitSettings, Mirror, TreeLock, WorkTree, empty_trash
from tests.orchestrator.git.repository import Repository, new_repository


def _checkpoint(tree: WorkTree, parent: str, checkpoint_id: str = "cp-1") -> str:
    return tree.commit_checkpoint(parent=parent, message="work", trailers={"Checkpoint-Id": checkpoint_id})


def _names(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*") if entry.name != ".git")


def test_nothing_to_rescue_leaves_no_ref(tree: WorkTree, stored: Repository, base: str) -> None:
    assert tree.rescue("tk-1", since=base) is None
    assert stored.git("for-each-ref", "refs/orchestrator/rescue") == ""


def test_rescue_keeps_uncommitted_work_and_leaves_it_where_it_is(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    agent.write("new", "precious")
    rescued = tree.rescue("tk-1", since=base)
    assert rescued is not None
    assert stored.git("show", f"{tree.refs.rescue('tk-1')}:new") == "precious"
    assert (tree.path / "new").read_text() == "precious"
    assert stored.git("rev-parse", tree.refs.head) == base


@pytest.mark.parametrize("detached", [False, True])
def test_rescue_keeps_commits_of_the_agent_even_where_the_files_are_as_before(
    tree: WorkTree, agent: Repository, stored: Repository, base: str, detached: bool
) -> None:
    if detached:
        agent.git("checkout", "-q", "--detach")
    agent.write("new", "precious")
    made = agent.commit("made")
    (tree.path / "new").unlink()
    agent.commit("unmade")
    rescued = tree.rescue("tk-1", since=base)
    assert rescued is not None
    assert stored.git("rev-list", rescued).splitlines().count(made) == 1


def test_second_rescue_under_one_id_keeps_the_first_reachable(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    agent.write("new", "one")
    first = tree.rescue("tk-1", since=base)
    tree.restore(base)
    agent.write("new", "two")
    second = tree.rescue("tk-1", since=base)
    assert first is not None
    assert second is not None
    assert stored.git("rev-parse", tree.refs.rescue("tk-1")) == second
    assert first in stored.git("rev-list", second).splitlines()


def test_restore_puts_files_index_branch_and_head_exactly_at_a_commit(
    tree: WorkTree, agent: Repository, base: str
) -> None:
    agent.write("kept", "x")
    one = _checkpoint(tree, base)
    agent.write("README.md", "changed\n")
    agent.write("more/deep/file", "x")
    agent.write("odd\nname", "x")
    (tree.path / "src/app.py").unlink()
    agent.git("checkout", "-q", "-b", "elsewhere")
    agent.git("add", "-A")
    tree.restore(one)
    assert agent.git("status", "--porcelain", "--untracked-files=all") == ""
    assert _names(tree.path) == ["README.md", "kept", "src", "src/app.py"]
    assert agent.git("rev-parse", "HEAD", tree.refs.head).split() == [one, one]
    assert agent.git("branch", "--show-current") == tree.refs.branch


def test_restore_of_a_snapshot_leaves_the_branch_at_the_checkpoint(
    tree: WorkTree, agent: Repository, base: str
) -> None:
    agent.write("new", "after task one")
    snapshot = tree.snapshot(work="w", task="one", message="one")
    agent.write("new", "half of task two")
    tree.restore(snapshot, branch_at=base)
    assert (tree.path / "new").read_text() == "after task one"
    assert tree.head() == base
    commit = _checkpoint(tree, base)
    assert agent.git("rev-parse", f"{commit}^") == base


def test_restore_keeps_ignored_files(tree: WorkTree, agent: Repository, base: str) -> None:
    agent.write(".gitignore", "build/\n")
    one = _checkpoint(tree, base)
    agent.write("build/cache", "x")
    agent.write("other", "x")
    tree.restore(one)
    assert _names(tree.path) == [".gitignore", "README.md", "build", "build/cache", "src", "src/app.py"]


def test_restore_overwrites_what_stands_in_the_way(tree: WorkTree, agent: Repository, base: str) -> None:
    (tree.path / "README.md").unlink()
    new_repository(tree.path / "README.md").write("inner", "x")
    (tree.path / "src/app.py").unlink()
    (tree.path / "src").rmdir()
    (tree.path / "src").symlink_to("/etc")
    tree.restore(base)
    assert agent.git("status", "--porcelain", "--untracked-files=all") == ""
    assert (tree.path / "src/app.py").read_text() == "print('hi')\n"
    assert (tree.path / "README.md").read_text() == "hello\n"


def test_restore_removes_an_embedded_repository_and_read_only_files(
    tree: WorkTree, agent: Repository, base: str
) -> None:
    embedded = new_repository(tree.path / "vendor" / "lib")
    embedded.write("lib.c", "x")
    embedded.commit()
    agent.write("locked", "x").chmod(0o400)
    snapshot = tree.snapshot(work="w", task="t", message="m")
    tree.restore(base)
    assert _names(tree.path) == ["README.md", "src", "src/app.py"]
    assert not (tree.path / "vendor").exists()
    tree.restore(snapshot, branch_at=base)
    assert (tree.path / "vendor/lib/lib.c").read_text() == "x"


def test_removal_rescues_first_and_leaves_no_tree_branch_or_entry(
    tree: WorkTree, agent: Repository, stored: Repository, settings: GitSettings, base: str
) -> None:
    agent.write("new", "precious")
    rescued = tree.remove()
    assert stored.git("show", f"{rescued}:new") == "precious"
    assert stored.git("rev-parse", tree.refs.rescue("removed")) == rescued
    assert not tree.path.parent.exists()
    assert stored.git("branch", "--list") == ""
    assert len(stored.git("worktree", "list").splitlines()) == 1
    assert stored.git("rev-parse", tree.refs.removed) == base
    assert empty_trash(settings) == 1
    assert empty_trash(settings) == 0


def test_removal_of_a_clean_tree_makes_no_rescue_and_can_be_done_twice(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    agent.write("new", "x")
    commit = _checkpoint(tree, base)
    assert tree.remove() is None
    assert tree.remove() is None
    assert stored.git("for-each-ref", "refs/orchestrator/rescue") == ""
    assert stored.git("for-each-ref", "--contains", commit, "--format=%(refname)") == tree.refs.removed


def test_removed_tree_comes_back_where_its_branch_was_and_goes_to_an_earlier_checkpoint_from_there(
    tree: WorkTree, agent: Repository, stored: Repository, base: str
) -> None:
    agent.write("new", "x")
    one = _checkpoint(tree, base)
    agent.write("new", "y")
    two = _checkpoint(tree, one, "cp-2")
    tree.remove()
    tree.add(base)
    assert (tree.path / "new").read_text() == "y"
    assert agent.git("status", "--porcelain") == ""
    assert stored.git("for-each-ref", tree.refs.removed) == ""

    tree.rescue("rollback-1", since=one)
    tree.restore(one)
    tree.remove()
    # What the removal before had kept is on the rescue ref by now, and not lost with the ref that it writes anew.
    assert stored.git("for-each-ref", "--contains", two, "--format=%(refname)") == tree.refs.rescue("rollback-1")
    tree.add(base)
    assert (tree.path / "new").read_text() == "x"
    assert agent.git("status", "--porcelain") == ""


def test_removal_that_was_killed_half_way_is_finished_by_the_next(
    tree: WorkTree, agent: Repository, stored: Repository
) -> None:
    tree.path.rename(tree.path.parent / "gone")
    (tree.path.parent / "gone").rename(tree.path.parent.parent / "gone")
    tree.remove()
    assert stored.git("branch", "--list") == ""
    assert len(stored.git("worktree", "list").splitlines()) == 1


def test_trash_with_read_only_folders_is_emptied(
    tree: WorkTree, agent: Repository, settings: GitSettings, tmp_path: Path
) -> None:
    agent.write("cache/mod/file", "x").chmod(0o400)
    (tree.path / "cache/mod").chmod(0o500)
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    (tree.path / "cache/link").symlink_to(outside)
    tree.remove()
    assert empty_trash(settings) == 1
    assert stat.S_IMODE(outside.stat().st_mode) == 0o500


def test_tree_replaced_by_a_link_is_never_cleaned_through_it(
    tree: WorkTree, settings: GitSettings, base: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    tree.path.rename(tmp_path / "moved")
    tree.path.symlink_to(outside)
    with pytest.raises(GitError, match="was replaced"):
        tree.restore(base)
    with pytest.raises(GitError, match="was replaced"):
        tree.snapshot(work="w", task="t", message="m")
    tree.remove()
    empty_trash(settings)
    assert (outside / "precious").exists()
    tree.add(base)
    assert _names(tree.path) == ["README.md", "src", "src/app.py"]
    assert _names(outside) == ["precious"]


def test_one_tree_of_two_goes_alone(mirror: Mirror, lock: TreeLock, tree: WorkTree, base: str) -> None:
    other = WorkTree(mirror=mirror, lock=lock, name="web", branch=f"orchestrator/{lock.workflow_id}-web")
    other.add(base)
    tree.remove()
    assert other.head() == base
    assert other.path.is_dir()


def test_a_trash_that_is_a_link_is_not_followed(settings: GitSettings, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    settings.worktree_root.mkdir()
    (settings.worktree_root / ".trash").symlink_to(outside)
    assert empty_trash(settings) == 0
    assert (outside / "precious").exists()
