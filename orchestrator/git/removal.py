"""Take many WorkTrees away at once: for each mirror one look at the branches and two ref transactions.

Killed at any point it can be done again: a branch goes only after its commit stands on another ref, on the disk, and a
tree only after what was unsaved in it does.
"""

from __future__ import annotations

import ctypes
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import GitError
from orchestrator.git.control import Control
from orchestrator.git.worktree import WorkTree

# Up to here git flushes each ref by itself; beyond, one flush of the whole file system is cheaper.
_FLUSHED_APART = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What became of one WorkTree.

    Attributes:
        rescued: the commit of what was unsaved.
        error: why it still stands; None: it is gone.
    """

    tree: WorkTree
    rescued: str | None = None
    error: GitError | OSError | None = None


def remove_all(trees: Sequence[WorkTree]) -> list[Removed]:
    """Remove trees as `WorkTree.remove` does; one that cannot go stays, whole, and keeps no other."""
    by_mirror: defaultdict[Path, list[WorkTree]] = defaultdict(list)
    for tree in trees:
        by_mirror[tree.mirror.control.path].append(tree)
    return [removed for group in by_mirror.values() for removed in _remove(group)]


def _remove(trees: list[WorkTree]) -> list[Removed]:
    control = trees[0].mirror.control
    if not control.mirror_path.is_dir():
        return [Removed(tree=tree, error=_no_mirror(control)) for tree in trees]
    names = [name for tree in trees for name in (tree.refs.head, f"{tree.refs.head}^{{tree}}")]
    try:
        found = control.find(*names)
    except GitError as error:
        return [Removed(tree=tree, error=error) for tree in trees]
    removed: list[Removed] = []
    kept: list[tuple[WorkTree, str | None, str | None]] = []
    for tree, branch, tree_id in zip(trees, found[::2], found[1::2], strict=True):
        try:
            kept.append((tree, branch, tree.save(branch, tree_id)))
        except (GitError, OSError) as error:
            removed.append(Removed(tree=tree, error=error))
    kept, failed = _keep_branches(control, kept)
    removed += failed
    gone: list[tuple[WorkTree, str | None]] = []
    for tree, branch, rescued in kept:
        try:
            tree.take_away()
        except OSError as error:
            removed.append(Removed(tree=tree, rescued=rescued, error=error))
        else:
            gone.append((tree, branch))
            removed.append(Removed(tree=tree, rescued=rescued))
    _drop_branches(control, gone)
    return removed


def _keep_branches(
    control: Control, trees: list[tuple[WorkTree, str | None, str | None]]
) -> tuple[list[tuple[WorkTree, str | None, str | None]], list[Removed]]:
    """Put every branch's commit on its `removed` ref, and on the disk; a ref that cannot be written keeps its tree."""
    branches = [(tree, branch) for tree, branch, _ in trees if branch]
    flushed = len(branches) <= _FLUSHED_APART
    try:
        if branches:
            control.move_refs(*(f"update {tree.refs.removed} {branch}" for tree, branch in branches), flushed=flushed)
            if not flushed:
                _flush(control.mirror_path)
    except GitError:
        # All or none: find out which.
        failed = []
        for tree, branch in branches:
            try:
                control.move_refs(f"update {tree.refs.removed} {branch}")
            except GitError as error:
                failed.append(Removed(tree=tree, error=error))
        lost = {id(one.tree) for one in failed}
        return [one for one in trees if id(one[0]) not in lost], failed
    return trees, []


def _drop_branches(control: Control, trees: list[tuple[WorkTree, str | None]]) -> None:
    """Their commits stand elsewhere: a branch that somebody moved meanwhile stays, and one that stays does no harm."""
    instructions = [f"delete {tree.refs.head} {branch}" for tree, branch in trees if branch]
    try:
        if instructions:
            control.move_refs(*instructions, flushed=False)
    except GitError:
        for instruction in instructions:
            try:
                control.move_refs(instruction)
            except GitError:
                continue


def _flush(path: Path) -> None:
    """Have everything of the path's file system written to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        try:
            failed = ctypes.CDLL(None, use_errno=True).syncfs(fd)
        except AttributeError:  # not on macOS
            os.sync()
        else:
            if failed:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(fd)


def _no_mirror(control: Control) -> GitError:
    return GitError(
        f"the mirror {control.mirror_path} is gone: what is unsaved in the tree could not be kept; "
        "bring it back from a backup, or delete the Workflow",
        command="worktree",
    )
