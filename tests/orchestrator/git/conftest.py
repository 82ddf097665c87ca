"""A real upstream repository, a mirror of it, and worktrees; all under `tmp_path`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.git import GitSettings, Mirror, TreeLock, WorkTree, tree_lock
from tests.orchestrator.git.repository import Repository, new_repository

WORKFLOW = "wf-0123456789ab"


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    repository = new_repository(tmp_path / "upstream")
    repository.write("README.md", "hello\n")
    repository.write("src/app.py", "print('hi')\n")
    repository.commit("first")
    return repository


@pytest.fixture
def settings(tmp_path: Path) -> GitSettings:
    return GitSettings(root=tmp_path / "git", worktree_root=tmp_path / "worktrees", timeout_ms=60_000)


@pytest.fixture
def mirror(upstream: Repository, settings: GitSettings) -> Mirror:
    opened = Mirror.open(str(upstream.path), settings)
    opened.update()
    return opened


@pytest.fixture
def lock(settings: GitSettings) -> Iterator[TreeLock]:
    with tree_lock(settings, WORKFLOW) as held:
        yield held


@pytest.fixture
def base(mirror: Mirror) -> str:
    return mirror.resolve("main")


@pytest.fixture
def tree(mirror: Mirror, lock: TreeLock, base: str) -> WorkTree:
    made = WorkTree(mirror=mirror, lock=lock, name="api")
    made.add(base)
    return made


@pytest.fixture
def agent(tree: WorkTree) -> Repository:
    """The agent's own git, in the tree."""
    return Repository(path=tree.path)


@pytest.fixture
def stored(mirror: Mirror) -> Repository:
    """The mirror, looked at with an ordinary git."""
    return Repository(path=mirror.control.mirror_path)


@pytest.fixture
def planted(tmp_path: Path) -> tuple[str, Callable[[], bool]]:
    """A shell script that leaves a mark when it runs, and whether it ran."""
    mark = tmp_path / "executed"
    script = tmp_path / "planted.sh"
    script.write_text(f"#!/bin/sh\ntouch '{mark}'\ncat\n")
    script.chmod(0o755)
    return str(script), mark.exists
