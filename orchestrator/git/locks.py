"""Locks between processes, by flock: released by the kernel when the last process that inherited them has ended.

A git or agent process that outlives a killed worker keeps the lock that it was started under, so nobody
cleans or reuses a tree that is still being written to.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import GitError, GitLocked
from orchestrator.domain.failpoints import reached
from orchestrator.domain.ids import SAFE_ID
from orchestrator.git.command import GitSettings

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLock:
    """The right to write to the trees of one Workflow; whoever has it is the only one.

    Attributes:
        fd: hand it to child processes that write to the trees (`pass_fds`).
    """

    workflow_id: str
    fd: int


@contextmanager
def tree_lock(settings: GitSettings, workflow_id: str, *, timeout_ms: int = 10_000) -> Iterator[TreeLock]:
    """Hold the trees of one Workflow; `GitLocked` names the holder where another one keeps them past the deadline."""
    if not SAFE_ID.match(workflow_id):
        raise GitError(f"workflow id {workflow_id[:100]!r} cannot be a folder's name", command="lock")
    settings.worktree_root.mkdir(parents=True, exist_ok=True)
    path = settings.worktree_root / f"{workflow_id}.lock"
    with hold(path, what=f"the worktrees of workflow {workflow_id}", timeout_ms=timeout_ms) as fd:
        try:
            yield TreeLock(workflow_id=workflow_id, fd=fd)
        finally:
            if not (settings.worktree_root / workflow_id).exists():
                path.unlink(missing_ok=True)


@contextmanager
def hold(path: Path, *, what: str, timeout_ms: int) -> Iterator[int]:
    """Hold the exclusive lock on a file, made when missing; yields its descriptor."""
    deadline = time.monotonic() + timeout_ms / 1000
    while (fd := _try_lock(path)) is None:
        if time.monotonic() >= deadline:
            raise GitLocked(
                f"{what}: locked for more than {timeout_ms} ms by {_holder(path)}; wait for it to end, or end it",
                command="lock",
            )
        time.sleep(_POLL_SECONDS)
    try:
        os.truncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        reached(f"lock.{path.name}.after")
        yield fd
    finally:
        reached(f"unlock.{path.name}.before")
        # Not LOCK_UN: that would take the lock from a child that inherited it and still runs.
        os.close(fd)


def _try_lock(path: Path) -> int | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder may have removed the file between our open and our lock; then it protects nothing.
        if os.path.samestat(os.fstat(fd), path.stat()):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _holder(path: Path) -> str:
    try:
        pid, host = path.read_text().split()
    except (OSError, ValueError):
        return "an unknown process"
    if host == socket.gethostname() and not _alive(int(pid)):
        return f"a process that the dead process {pid} started (`fuser {path}` shows which)"
    return f"process {pid} on {host}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
