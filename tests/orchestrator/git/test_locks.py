"""The lock on the trees of one Workflow."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from orchestrator.domain.errors import GitError, GitLocked
from orchestrator.git import GitSettings, tree_lock


def test_second_holder_is_refused_at_its_deadline_and_told_who_holds_it(settings: GitSettings) -> None:
    with tree_lock(settings, "wf-1"):
        started = time.monotonic()
        with pytest.raises(GitLocked, match=f"process {os.getpid()} on "), tree_lock(settings, "wf-1", timeout_ms=200):
            pytest.fail("held twice")
        assert 0.2 <= time.monotonic() - started < 2


def test_waits_for_a_holder_that_lets_go_in_time(settings: GitSettings) -> None:
    release = threading.Timer(0.3, lambda: held.__exit__(None, None, None))
    held = tree_lock(settings, "wf-1")
    held.__enter__()
    release.start()
    with tree_lock(settings, "wf-1", timeout_ms=5_000) as lock:
        assert lock.workflow_id == "wf-1"


def test_workflows_do_not_lock_each_other(settings: GitSettings) -> None:
    with tree_lock(settings, "wf-1"), tree_lock(settings, "wf-2", timeout_ms=0):
        pass


def test_orphan_that_inherited_the_lock_keeps_it_after_its_parent_was_killed(settings: GitSettings) -> None:
    script = textwrap.dedent(
        """
        import os, pathlib, signal, subprocess, sys
        from orchestrator.git import GitSettings, tree_lock
        settings = GitSettings(root=pathlib.Path(sys.argv[1]), worktree_root=pathlib.Path(sys.argv[2]))
        with tree_lock(settings, "wf-1") as lock:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            child = subprocess.Popen(["sleep", "60"], pass_fds=(lock.fd,), **quiet)
            print(child.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    worker = subprocess.run(
        [sys.executable, "-c", script, settings.root, settings.worktree_root], capture_output=True, check=False
    )
    orphan = int(worker.stdout)
    try:
        with pytest.raises(GitLocked, match="that the dead process"), tree_lock(settings, "wf-1", timeout_ms=100):
            pytest.fail("the orphan still writes")
    finally:
        os.kill(orphan, 9)
    with tree_lock(settings, "wf-1", timeout_ms=5_000):
        pass


def test_lock_file_goes_with_the_last_tree_and_many_may_race_for_it(settings: GitSettings) -> None:
    inside: list[int] = []
    overlaps: list[int] = []

    def take() -> None:
        for _ in range(20):
            with tree_lock(settings, "wf-1", timeout_ms=30_000):
                inside.append(1)
                overlaps.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [1] * 120
    assert not list(settings.worktree_root.iterdir())


def test_lock_on_a_file_that_its_last_holder_removed_meanwhile_does_not_count(
    settings: GitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settings.worktree_root / "wf-1.lock"
    flock = fcntl.flock
    removed: list[Path] = []

    def flock_after_removal(fd: int, operation: int) -> None:
        if not removed:
            path.unlink()
            removed.append(path)
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock_after_removal)
    with tree_lock(settings, "wf-1") as lock:
        assert removed
        assert os.path.samestat(os.fstat(lock.fd), path.stat())


def test_lock_file_stays_while_trees_exist(settings: GitSettings) -> None:
    (settings.worktree_root / "wf-1" / "api").mkdir(parents=True)
    with tree_lock(settings, "wf-1"):
        pass
    assert (settings.worktree_root / "wf-1.lock").exists()


def test_lock_file_replaced_by_a_link_is_not_followed(settings: GitSettings, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    settings.worktree_root.mkdir()
    (settings.worktree_root / "wf-1.lock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"), tree_lock(settings, "wf-1"):
        pytest.fail("locked")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("workflow_id", ["", "..", "../x", "a/b", "-x"])
def test_refuses_an_id_that_is_no_folder_name(settings: GitSettings, workflow_id: str) -> None:
    with pytest.raises(GitError, match="folder's name"), tree_lock(settings, workflow_id):
        pytest.fail("locked")
