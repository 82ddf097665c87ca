"""The clone of a Git: kept up to date, resolving refs, with errors that say what to do."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.domain.errors import GitError, GitLocked, GitRefNotFound, GitTimeout, GitUnreachable
from orchestrator.domain.ids import git_id
from orchestrator.git import GitSettings, Mirror, WorkTree, remote_head
from tests.orchestrator.git.repository import Repository, new_repository


def test_lies_under_the_root_by_the_id_of_its_address(
    mirror: Mirror, upstream: Repository, settings: GitSettings
) -> None:
    assert mirror.control.mirror_path == settings.root / f"{git_id(str(upstream.path))}.git"
    assert mirror.control.mirror_path.is_dir()


def test_update_brings_new_commits_branches_and_tags_and_drops_deleted_ones(
    mirror: Mirror, upstream: Repository
) -> None:
    upstream.git("branch", "old")
    mirror.update()
    assert mirror.resolve("old")
    upstream.git("branch", "-D", "old")
    upstream.git("tag", "-a", "v1", "-m", "v1")
    head = upstream.commit("second")
    mirror.update()
    assert mirror.resolve("main") == head
    assert mirror.resolve("v1") == upstream.git("rev-parse", "main~1")
    with pytest.raises(GitRefNotFound):
        mirror.resolve("old")


def test_update_takes_no_ref_of_a_workflow_away(mirror: Mirror, tree: WorkTree, upstream: Repository) -> None:
    (tree.path / "new").write_text("work")
    snapshot = tree.snapshot(work="fix", task="patch", message="patch")
    upstream.git("branch", "orchestrator/wf-0123456789ab")
    mirror.update()
    assert mirror.control.find(tree.refs.task("fix", "patch"), tree.refs.base) == [snapshot, mirror.resolve("main")]
    assert mirror.control.find(tree.refs.head) == [mirror.resolve("main")]


def test_branch_that_becomes_a_folder_of_branches_is_followed(mirror: Mirror, upstream: Repository) -> None:
    upstream.git("branch", "a")
    mirror.update()
    upstream.git("branch", "-D", "a")
    upstream.git("branch", "a/b")
    mirror.update()
    assert mirror.resolve("a/b")


def test_branch_comes_before_a_tag_of_the_same_name_and_a_full_hash_resolves(
    mirror: Mirror, upstream: Repository
) -> None:
    first = mirror.resolve("main")
    upstream.git("tag", "main", first)
    second = upstream.commit("second")
    mirror.update()
    assert mirror.resolve("main") == second
    assert mirror.resolve(first) == first


def test_head_is_the_default_branch_or_a_detached_commit(
    mirror: Mirror, upstream: Repository, settings: GitSettings
) -> None:
    head = upstream.git("rev-parse", "main")
    detached = upstream.git("commit-tree", "-p", head, "-m", "on no branch", f"{head}^{{tree}}")
    mirror.update("HEAD")
    assert mirror.resolve("HEAD") == remote_head(str(upstream.path), "HEAD", settings) == head
    upstream.git("checkout", "-q", "--detach", detached)
    mirror.update("HEAD")
    mirror.update()
    assert mirror.resolve("HEAD") == remote_head(str(upstream.path), "HEAD", settings) == detached


def test_head_of_an_empty_repository_is_said_to_be_empty(tmp_path: Path, settings: GitSettings) -> None:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "empty"], check=True)
    mirror = Mirror.open(str(tmp_path / "empty"), settings)
    mirror.update("HEAD")
    with pytest.raises(GitRefNotFound, match="is an empty repository"):
        mirror.resolve("HEAD")


def test_ref_that_is_missing_is_named_with_the_masked_address(settings: GitSettings, mirror: Mirror) -> None:
    named = replace(mirror, shown="https://***@example.org/x")
    with pytest.raises(GitRefNotFound, match=r"https://\*\*\*@example.org/x has no branch, tag or commit 'nope'"):
        named.resolve("nope")
    with pytest.raises(GitRefNotFound, match="no branch"):
        mirror.resolve("f" * 40)


def test_empty_repository_is_said_to_be_empty(tmp_path: Path, settings: GitSettings) -> None:
    empty = Mirror.open(str(new_repository(tmp_path / "empty").path), settings)
    empty.update()
    with pytest.raises(GitRefNotFound, match="is an empty repository"):
        empty.resolve("main")


def test_repository_that_is_not_there_is_unreachable(tmp_path: Path, settings: GitSettings) -> None:
    with pytest.raises(GitUnreachable, match=r"(?s)nowhere.*check the address"):
        Mirror.open(str(tmp_path / "nowhere"), settings).update()
    with pytest.raises(GitUnreachable):
        remote_head(str(tmp_path / "nowhere"), "main", settings)


def test_refused_connection_shows_no_token(settings: GitSettings) -> None:
    with pytest.raises(GitUnreachable) as failed:
        Mirror.open("http://me:ghp_secret@127.0.0.1:1/x", settings).update()
    assert "ghp_secret" not in str(failed.value)


def test_failed_clone_leaves_nothing_that_counts(tmp_path: Path, settings: GitSettings) -> None:
    path = tmp_path / "later"
    mirror = Mirror.open(str(path), settings)
    with pytest.raises(GitUnreachable):
        mirror.update()
    assert not mirror.control.mirror_path.exists()
    new_repository(path).commit("first")
    mirror.update()
    assert mirror.resolve("main")


def test_clone_killed_half_way_is_made_again(upstream: Repository, settings: GitSettings) -> None:
    mirror = Mirror.open(str(upstream.path), settings)
    half = mirror.control.mirror_path.with_suffix(".clone")
    (half / "objects").mkdir(parents=True)
    (half / "HEAD").write_text("half")
    mirror.update()
    assert mirror.resolve("main")
    assert not half.exists()


def test_ref_lock_left_by_a_killed_fetch_is_removed(mirror: Mirror, upstream: Repository) -> None:
    head = upstream.commit("second")
    lock = mirror.control.mirror_path / "refs/remotes/origin/main.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    mirror.update()
    assert mirror.resolve("main") == head


def test_clone_depth_makes_a_shallow_mirror_that_can_still_be_fetched_and_worked_in(
    upstream: Repository, settings: GitSettings
) -> None:
    upstream.commit("second")
    mirror = Mirror.open(str(upstream.path), replace(settings, clone_depth=1))
    mirror.update()
    count = mirror.control.runner().run("rev-list", "--count", "refs/remotes/origin/main")
    assert count.strip() == "1"
    head = upstream.commit("third")
    mirror.update()
    assert mirror.resolve("main") == head


def test_update_waits_for_another_and_names_it_at_the_deadline(mirror: Mirror, settings: GitSettings) -> None:
    hasty = Mirror.open(str(mirror.control.remote.path), replace(settings, timeout_ms=300))
    with (mirror.control.path / "update.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(GitLocked, match="the mirror of"):
            hasty.update()
    hasty.update()


def test_worker_killed_in_a_fetch_leaves_the_mirror_locked_until_its_git_has_ended(settings: GitSettings) -> None:
    script = textwrap.dedent(
        """
        import pathlib, sys
        from orchestrator.git import GitSettings, Mirror
        root, trees, url = sys.argv[1:]
        Mirror.open(url, GitSettings(root=pathlib.Path(root), worktree_root=pathlib.Path(trees))).update()
        """
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"git://127.0.0.1:{server.getsockname()[1]}/x"
        worker = subprocess.Popen([sys.executable, "-c", script, settings.root, settings.worktree_root, url])
        connection, _ = server.accept()
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        with connection:
            hasty = Mirror.open(url, replace(settings, timeout_ms=300))
            with pytest.raises(GitLocked, match="a process that the dead process"):
                hasty.update()
    with pytest.raises(GitUnreachable):
        Mirror.open(url, settings).update()


def test_hanging_remote_ends_at_the_deadline(settings: GitSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"git://127.0.0.1:{server.getsockname()[1]}/x"
        with pytest.raises(GitTimeout, match="killed at its deadline of 400 ms"):
            remote_head(url, "main", replace(settings, timeout_ms=400))


def test_remote_head_reads_branch_then_peeled_tag_without_a_clone(upstream: Repository, settings: GitSettings) -> None:
    url = str(upstream.path)
    head = upstream.git("rev-parse", "main")
    upstream.git("tag", "-a", "v1", "-m", "v1")
    upstream.git("branch", "nested/refs/heads/other")
    assert remote_head(url, "main", settings) == head
    assert remote_head(f"file://{url}", "v1", settings) == head
    assert remote_head(url, head, settings) == head
    with pytest.raises(GitRefNotFound, match="no branch or tag 'other'"):
        remote_head(url, "other", settings)
    assert not list(settings.root.glob("*.git"))


def test_repository_of_another_user_is_served_since_it_is_listed_as_safe(
    upstream: Repository, settings: GitSettings
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a repository away")
    for path in (upstream.path, *upstream.path.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    unlisted = subprocess.run(["git", "ls-remote", upstream.path], env={"PATH": os.environ["PATH"]}, check=False)
    assert unlisted.returncode != 0
    mirror = Mirror.open(str(upstream.path), settings)
    mirror.update()
    assert mirror.resolve("main")


def test_push_publishes_a_commit_and_takes_none_away_unless_told_which(
    mirror: Mirror, tree: WorkTree, upstream: Repository, base: str
) -> None:
    (tree.path / "new").write_text("one")
    one = tree.snapshot(work="w", task="one", message="one")
    mirror.push(commit=one, branch="orchestrator/x")
    assert upstream.git("rev-parse", "orchestrator/x") == one
    tree.restore(base)
    (tree.path / "new").write_text("two")
    two = tree.snapshot(work="w", task="two", message="two")
    with pytest.raises(GitError, match="rejected"):
        mirror.push(commit=two, branch="orchestrator/x")
    with pytest.raises(GitError, match="rejected"):
        mirror.push(commit=two, branch="orchestrator/x", replaces=base)
    mirror.push(commit=two, branch="orchestrator/x", replaces=one)
    assert upstream.git("rev-parse", "orchestrator/x") == two


def test_files_changed_keeps_line_breaks_and_other_alphabets(mirror: Mirror, tree: WorkTree, base: str) -> None:
    names = ("a\nb", "naïve/文.md", "tab\there")
    for name in names:
        path = tree.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    after = tree.snapshot(work="w", task="t", message="m")
    assert mirror.files_changed(since=base, until=after) == names


def test_forget_drops_the_hidden_refs_of_one_workflow_and_keeps_its_rescues(
    mirror: Mirror, tree: WorkTree, base: str, stored: Repository
) -> None:
    (tree.path / "new").write_text("x")
    tree.snapshot(work="w", task="t", message="m")
    tree.rescue("tk-1", since=base)
    mirror.forget("wf-other")
    assert len(stored.git("for-each-ref", "refs/orchestrator").splitlines()) == 3
    mirror.forget("wf-0123456789ab")
    assert stored.git("for-each-ref", "--format=%(refname)", "refs/orchestrator") == tree.refs.rescue("tk-1")
    mirror.forget("wf-0123456789ab", rescues=True)
    assert stored.git("for-each-ref", "refs/orchestrator") == ""
