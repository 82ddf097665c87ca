"""WorkTrees go: those that have had their time, and under pressure the oldest of Workflows that have ended for good."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.domain.errors import GitError, LeaseLost
from orchestrator.domain.retention import TIDY, Clock, Policy
from orchestrator.domain.states import ENDED
from orchestrator.engine.engine import Engine
from orchestrator.engine.retention.hold import Held, holding
from orchestrator.engine.retention.outcome import Outcome
from orchestrator.engine.retention.policy import BATCH
from orchestrator.engine.workspace import workflow_folder
from orchestrator.git import Mirror, Removed, TreeLock, WorkTree, remove_all
from orchestrator.git.trash import throw_into, trash_of
from orchestrator.observe.log import get_logger
from orchestrator.settings import Settings
from orchestrator.store import Transaction
from orchestrator.store.rows import EndedRow, WorkflowRow, WorkTreeRow

_log = get_logger(__name__)
_BLOCK_BYTES = 512


def expired_worktrees(engine: Engine, clock: Clock, policy: Policy) -> list[EndedRow]:
    """Ended Workflows whose WorkTrees have had their time, oldest first."""

    shortest = engine.store.read(lambda reader: reader.shortest_keep_s())["worktrees"]
    keeps = [policy.worktrees, policy.failed_worktrees]
    keeps += [] if shortest is None else [policy.of_worktrees(next(iter(TIDY)), shortest)]
    before = clock.now - min(keeps)
    rows = engine.store.read(lambda reader: reader.ended_with_worktrees(ENDED, before=before))
    return [row for row in rows if clock.is_over(row.ended_at, policy.of_worktrees(row.status, row.keep_s))]


def missing_worktrees(engine: Engine, clock: Clock) -> list[EndedRow]:
    """Ended Workflows whose rows say that WorkTrees stand where no folder is."""
    rows = engine.store.read(lambda reader: reader.ended_with_worktrees(ENDED, before=clock.now))
    if not rows:
        return []
    with os.scandir(engine.settings.worktree_root_path) as listed:
        there = {entry.name for entry in listed}
    return [row for row in rows if row.id not in there]


def remove_worktrees(engine: Engine, rows: Sequence[EndedRow], *, reason: str, outcome: Outcome) -> None:
    """Remove the WorkTrees and WorkSpaces of these Workflows, a batch at a time; who is busy or has moved on stays."""
    as_seen = {row.id: row for row in rows}

    def still(now: WorkflowRow) -> bool:
        return now.status is as_seen[now.id].status and now.ended_at == as_seen[now.id].ended_at

    for start in range(0, len(rows), BATCH):
        batch = [row.id for row in rows[start : start + BATCH]]
        try:
            with holding(engine, batch, still=still, tombstone=True) as (own, held):
                _remove(own, held, reason=reason, outcome=outcome)
        except LeaseLost as lost:
            outcome.problems.append(str(lost))


def trees_of_rows(
    engine: Engine, rows: Sequence[WorkTreeRow], lock_of: Callable[[str], TreeLock]
) -> tuple[dict[int, WorkTreeRow], list[WorkTree], list[str]]:
    """The trees of rows: by the tree's id its row; all that could be opened; a sentence for each that could not.

    By what was written down when they were made: whether the spec's address can still be filled in does not matter.
    """
    mirrors: dict[str, Mirror] = {}
    by_tree: dict[int, WorkTreeRow] = {}
    trees: list[WorkTree] = []
    problems: list[str] = []
    for row in rows:
        try:
            if row.url not in mirrors:
                mirrors[row.url] = Mirror.open(row.url, engine.git)
            lock = lock_of(row.workflow_id)
            tree = WorkTree(mirror=mirrors[row.url], lock=lock, name=row.git, branch=row.branch)
        except GitError as error:
            problems.append(f'workflow {row.workflow_id}: git "{row.git}": {error}')
        else:
            trees.append(tree)
            by_tree[id(tree)] = row
    return by_tree, trees, problems


def _remove(engine: Engine, held: Mapping[str, Held], *, reason: str, outcome: Outcome) -> None:
    if not held:
        return
    began = time.monotonic()
    rows = engine.store.read(lambda reader: reader.standing_worktrees(list(held)))
    rows = [row if row.bytes is not None else _measured(row) for row in rows]
    by_tree, trees, problems = trees_of_rows(engine, rows, lambda workflow_id: held[workflow_id].lock)
    removed = remove_all(trees)
    kept = {by_tree[id(one.tree)].workflow_id for one in removed if one.error is not None}
    for workflow_id in held.keys() - kept:
        throw_workspaces(engine.settings, workflow_id)
    gone = [(by_tree[id(one.tree)], one) for one in removed if one.error is None]
    each_ms = round((time.monotonic() - began) * 1000 / max(1, len(removed)))
    engine.store.write(lambda tx: _write_down(tx, held, gone, reason=reason, duration_ms=each_ms))
    outcome.worktrees_removed += len(gone)
    outcome.freed_bytes += sum(row.bytes or 0 for row, _ in gone)
    for one in removed:
        if one.error is not None:
            problems.append(f'workflow {by_tree[id(one.tree)].workflow_id}: git "{one.tree.name}": {one.error}')
    for problem in problems:
        _log.warning("WorkTreeNotRemoved", message=problem)
    outcome.problems += problems


def _write_down(
    tx: Transaction,
    held: Mapping[str, Held],
    gone: Sequence[tuple[WorkTreeRow, Removed]],
    *,
    reason: str,
    duration_ms: int,
) -> None:
    tx.forget_sessions({row.workflow_id for row, _ in gone})
    written = [(held[row.workflow_id].workflow, row, one.rescued) for row, one in gone]
    tx.worktrees_removed(written, reason=reason, duration_ms=duration_ms)


def throw_workspaces(settings: Settings, workflow_id: str) -> None:
    """Throw away the WorkSpaces of a Workflow and its agents' HOME; its Reports stay."""
    folder = workflow_folder(settings.workflow_root_path, workflow_id)
    if folder.is_symlink():
        return
    for name in ("workspaces", "home"):
        throw_into(trash_of(settings.workflow_root_path), folder / name)


def bytes_on_disk(folder: Path) -> int:
    """What a folder takes on its disk; links are counted, never followed, and what vanishes meanwhile is left out."""
    total = 0
    waiting = [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as listed:
                for entry in listed:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return total


def _measured(row: WorkTreeRow) -> WorkTreeRow:
    return replace(row, bytes=bytes_on_disk(Path(row.path)))
