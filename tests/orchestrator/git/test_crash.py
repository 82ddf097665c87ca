"""What a killed process leaves behind, and that the next one gets over it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from orchestrator.domain.errors import GitLocked
from orchestrator.git import GitSettings, Mirror, TreeLock, WorkTree, tree_lock, worktree
from orchestrator.git.admin import AdminFolder
from orchestrator.git.command import Runner
from tests.orchestrator.git.repository import Repository

FILES = 1_500


@pytest.fixture
def many_files(upstream: Repository, mirror: Mirror) -> str:
    """A commit whose checkout takes long enough to be killed in."""
    for number in range(FILES):
        upstream.write(f"d{number % 50}/f{number}", str(number) * 100)
    upstream.commit("many files")
    mirror.update()
    return mirror.resolve("main")


def _killed_at(script: str, settings: GitSettings, upstream: Repository, seconds: float) -> bool:
    """Run a worker and kill it after some time; whether that was in its middle."""
    prelude = """
        import pathlib, sys
        from orchestrator.git import GitSettings, Mirror, WorkTree, tree_lock
        root, trees, url = sys.argv[1:]
        settings = GitSettings(root=pathlib.Path(root), worktree_root=pathlib.Path(trees))
        mirror = Mirror.open(url, settings)
        with tree_lock(settings, "wf-1") as lock:
            tree = WorkTree(mirror=mirror, lock=lock, name="api")
            base = mirror.resolve("main")
            print("started", flush=True)
    """
    program = textwrap.dedent(prelude) + textwrap.indent(textwrap.dedent(script), "    ")
    worker = subprocess.Popen(
        [sys.executable, "-c", program, settings.root, settings.worktree_root, upstream.path], stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    time.sleep(seconds)
    worker.send_signal(signal.SIGKILL)
    worker.stdout.close()
    return worker.wait() == -signal.SIGKILL


def test_add_killed_at_any_time_is_completed_by_the_next(
    mirror: Mirror, settings: GitSettings, upstream: Repository, many_files: str
) -> None:
    kills = 0
    for step in range(9):
        kills += _killed_at("tree.add(base)", settings, upstream, step * 0.04)
        # The killed worker's git may live on; it holds the lock, so that nobody works beside it.
        with tree_lock(settings, "wf-1", timeout_ms=30_000) as lock:
            tree = WorkTree(mirror=mirror, lock=lock, name="api")
            tree.add(many_files)
            agent = Repository(path=tree.path)
            assert agent.git("status", "--porcelain") == ""
            assert len(agent.git("ls-files").splitlines()) == FILES + 2
            assert tree.snapshot(work="w", task="t", message="m") == many_files
            tree.remove()
    assert kills >= 3


def test_checkpoint_killed_at_any_time_is_made_exactly_once(
    mirror: Mirror, settings: GitSettings, upstream: Repository, base: str
) -> None:
    script = """
        import uuid
        for number in range(200):
            tree.add(base)
            parent = tree.head()
            checkpoint_id = f"cp-{uuid.uuid4().hex[:12]}"
            (tree.path.parent / "next.new").write_text(f"{checkpoint_id} {parent}")
            (tree.path.parent / "next.new").rename(tree.path.parent / "next")
            (tree.path / "new").write_text(uuid.uuid4().hex)
            tree.commit_checkpoint(parent=parent, message="m", trailers={"Checkpoint-Id": checkpoint_id})
            (tree.path.parent / "next").unlink()
    """
    interrupted = 0
    for step in range(8):
        assert _killed_at(script, settings, upstream, 0.4 + step * 0.037)
        with tree_lock(settings, "wf-1", timeout_ms=30_000) as lock:
            tree = WorkTree(mirror=mirror, lock=lock, name="api")
            tree.add(base)
            pending = tree.path.parent / "next"
            if pending.exists():
                interrupted += 1
                checkpoint_id, parent = pending.read_text().split()
                before = tree.head()
                commit = tree.find_checkpoint(checkpoint_id) or tree.commit_checkpoint(
                    parent=parent, message="m", trailers={"Checkpoint-Id": checkpoint_id}
                )
                assert before in {parent, commit}
                tree.restore(commit)
                count = mirror.control.runner().run("rev-list", "--count", f"{parent}..{tree.refs.head}")
                assert int(count) == (0 if commit == parent else 1)
                pending.unlink()
            assert Repository(path=tree.path).git("status", "--porcelain") == ""
            tree.remove()
    assert interrupted >= 2


@pytest.mark.parametrize("again", ["add", "restore", "checkpoint"])
@pytest.mark.parametrize("where", ["admin", "ours", "branch", "task"])
def test_lock_file_of_a_dead_git_is_removed_by_the_holder_of_the_tree(
    tree: WorkTree, agent: Repository, mirror: Mirror, base: str, where: str, again: str
) -> None:
    unique = "wf-0123456789ab-api"
    lock = {
        "admin": mirror.control.mirror_path / "worktrees" / unique / "index.lock",
        "ours": mirror.control.path / "indexes" / f"{unique}.lock",
        "branch": mirror.control.mirror_path / f"{tree.refs.head}.lock",
        "task": mirror.control.mirror_path / f"{tree.refs.task('w', 't')}.lock",
    }[where]
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    if again == "add":
        tree.add(base)
    elif again == "restore":
        tree.rescue("tk-1", since=base)
        tree.restore(base)
    else:
        assert tree.commit_checkpoint(parent=base, message="m", trailers={"Checkpoint-Id": "cp-0"}) == base
    assert not lock.exists()
    agent.write("new", "x")
    agent.git("add", "new")
    tree.snapshot(work="w", task="t", message="m")
    assert tree.commit_checkpoint(parent=base, message="m", trailers={"Checkpoint-Id": "cp-1"}) != base


def test_checkpoint_that_was_killed_right_after_its_commit_is_found_and_finished(
    tree: WorkTree, agent: Repository, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.git("checkout", "-q", "-b", "fix")
    agent.write("new", "x")

    def die(self: AdminFolder, index: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AdminFolder, "settle", die)
        with pytest.raises(KeyboardInterrupt):
            tree.commit_checkpoint(parent=base, message="m", trailers={"Checkpoint-Id": "cp-1"})
    commit = tree.find_checkpoint("cp-1")
    assert agent.git("rev-parse", "HEAD", "HEAD^").split() == [commit, base]
    assert agent.git("branch", "--show-current") == tree.refs.branch
    assert agent.git("status", "--porcelain") == ""


def test_object_that_went_missing_is_written_again(
    tree: WorkTree, agent: Repository, mirror: Mirror, stored: Repository
) -> None:
    agent.write("new", "x")
    first = tree.snapshot(work="w", task="one", message="m")
    blob = stored.git("rev-parse", f"{first}:new")
    (mirror.control.mirror_path / "objects" / blob[:2] / blob[2:]).unlink()
    agent.write("other", "y")
    second = tree.snapshot(work="w", task="two", message="m")
    assert stored.git("show", f"{second}:new") == "x"
    stored.git("fsck", "--full")


def test_half_checkout_without_an_index_is_completed(
    mirror: Mirror, lock: TreeLock, settings: GitSettings, base: str
) -> None:
    folder = settings.worktree_root / lock.workflow_id / "api"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("hel")
    tree = WorkTree(mirror=mirror, lock=lock, name="api")
    tree.add(base)
    assert Repository(path=tree.path).git("status", "--porcelain") == ""


def test_tree_deleted_by_hand_is_checked_out_where_the_branch_is(
    tree: WorkTree, agent: Repository, base: str, tmp_path: Path
) -> None:
    agent.write("new", "x")
    commit = tree.commit_checkpoint(parent=base, message="m", trailers={"Checkpoint-Id": "cp-1"})
    tree.path.rename(tmp_path / "gone")
    tree.add(base)
    assert (tree.path / "new").read_text() == "x"
    assert tree.head() == commit


def test_second_checkout_that_dies_does_not_pass_for_complete(
    tree: WorkTree, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(runner: Runner, commit: str) -> None:
        raise KeyboardInterrupt

    tree.path.rename(tmp_path / "gone")
    with monkeypatch.context() as patch:
        patch.setattr(worktree, "checkout", die)
        with pytest.raises(KeyboardInterrupt):
            tree.add(base)
    tree.add(base)
    assert (tree.path / "README.md").exists()


def test_orphaned_git_keeps_the_tree_locked_after_its_worker_was_killed(
    mirror: Mirror, settings: GitSettings, upstream: Repository, base: str
) -> None:
    script = """
        import os
        tree.add(base)
        os.mkfifo(tree.path / ".gitignore")
        tree.snapshot(work="w", task="t", message="m")
    """
    assert _killed_at(script, settings, upstream, 2.5)
    blocker = settings.worktree_root / "wf-1" / "api" / ".gitignore"
    with pytest.raises(GitLocked, match="dead process"), tree_lock(settings, "wf-1", timeout_ms=300):
        pytest.fail("git still reads the tree")
    # The orphan waits for a writer of the pipe.
    os.close(os.open(blocker, os.O_WRONLY))
    with tree_lock(settings, "wf-1", timeout_ms=20_000) as lock:
        WorkTree(mirror=mirror, lock=lock, name="api").add(base)
