"""What belongs to nobody: folders, branches, refs and agents' HOME of Workflows that have no row.

Remembered when first seen. A day later trees go, what is in them and their branches saved on rescue refs; rescue refs
and Reports go as long after as Reports are kept. What cannot be saved stays.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import GitError, GitLocked, NotFound
from orchestrator.domain.retention import Clock, Policy
from orchestrator.engine.engine import Engine
from orchestrator.engine.retention.outcome import Outcome
from orchestrator.engine.retention.policy import MOST
from orchestrator.engine.retention.reports import throw_reports
from orchestrator.engine.retention.worktrees import bytes_on_disk, throw_workspaces
from orchestrator.engine.workspace import workflow_folder
from orchestrator.git import WORKFLOW_ID, Mirror, TreeLock, leftovers, remove_all, retire, tree_lock, trees_of
from orchestrator.git.trash import throw_into, trash_of
from orchestrator.observe.log import get_logger
from orchestrator.store import Reader, Transaction

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Ids of Workflows without a row, by what there is of them.

    Attributes:
        work: folders of trees, agents' HOME, branches, refs.
        keepsakes: rescue refs, Reports, archives.
    """

    work: frozenset[str]
    keepsakes: frozenset[str]


def find_orphans(engine: Engine, mirrors: Collection[Mirror]) -> Found:
    """Whatever lies on the disks under the id of a Workflow that the database does not know."""
    settings = engine.settings
    work = {*_folders(settings.worktree_root_path)}
    keepsakes = {*_archives(settings.archive_root_path / "reports"), *_folders(settings.workflow_root_path)}
    for mirror in mirrors:
        there = leftovers(mirror)
        work |= there.refs
        keepsakes |= there.rescues
    # Asked last: a Workflow has its row before it has anything else.
    known = engine.store.read(lambda reader: reader.workflow_ids())
    return Found(work=frozenset(work - known), keepsakes=frozenset(keepsakes - known))


def remove_orphans(engine: Engine, clock: Clock, policy: Policy, *, outcome: Outcome) -> None:
    """Remember the orphans there are, and remove those that were seen long enough ago."""
    mirrors = open_mirrors(engine)
    found = find_orphans(engine, mirrors)
    every = found.work | found.keepsakes
    seen = engine.store.read(lambda reader: reader.orphans())
    if not outcome.dry_run and every != seen.keys():
        engine.store.write(lambda tx: _remember(tx, every, seen.keys()))
    due = [id for id in sorted(every) if id in seen and clock.is_over(seen[id], policy.orphans)]
    for workflow_id in due[:MOST]:
        late = clock.is_over(seen[workflow_id], policy.rescues)
        if workflow_id in found.work or late:
            _remove(engine, mirrors, workflow_id, late=late, outcome=outcome)


def open_mirrors(engine: Engine) -> list[Mirror]:
    """The mirrors of every registered Git that was cloned."""
    mirrors = []
    for url in engine.store.read(lambda reader: reader.git_urls()).values():
        try:
            mirror = Mirror.open(url, engine.git)
        except (GitError, OSError) as error:
            _log.warning("MirrorNotOpened", message=str(error))
        else:
            if mirror.control.mirror_path.is_dir():
                mirrors.append(mirror)
    return mirrors


def _remember(tx: Transaction, every: Collection[str], seen: Collection[str]) -> None:
    tx.see_orphans([id for id in every if id not in seen])
    tx.forget_orphans([id for id in seen if id not in every])


def _remove(engine: Engine, mirrors: Collection[Mirror], workflow_id: str, *, late: bool, outcome: Outcome) -> None:
    try:
        with tree_lock(engine.git, workflow_id, timeout_ms=0) as lock:
            if engine.store.read(lambda reader: _has_row(reader, workflow_id)):
                return
            problems = _save_and_remove(engine, mirrors, lock, dry_run=outcome.dry_run, outcome=outcome)
            if late and not outcome.dry_run:
                outcome.freed_bytes += throw_reports(engine.settings, workflow_id)
                throw_into(
                    trash_of(engine.settings.workflow_root_path),
                    workflow_folder(engine.settings.workflow_root_path, workflow_id),
                )
                for mirror in mirrors:
                    mirror.forget(workflow_id, rescues=True)
                outcome.rescues_dropped += 1
    except GitLocked as error:
        _log.info("WorkflowBusy", message=f"left for the next pass: {error}", workflowId=workflow_id)
    except (GitError, OSError) as error:
        outcome.problems.append(f"orphan {workflow_id}: {error}")
    else:
        outcome.problems += problems
        if not late and not problems:
            outcome.orphans_removed += 1
            _log.info("OrphanRemoved", message=f"{workflow_id} has no row; its work is on rescue refs")


def _save_and_remove(
    engine: Engine, mirrors: Collection[Mirror], lock: TreeLock, *, dry_run: bool, outcome: Outcome
) -> list[str]:
    """What is left of a Workflow's trees and refs goes; a sentence for each that has to stay."""
    folder = engine.settings.worktree_root_path / lock.workflow_id
    trees = [tree for mirror in mirrors for tree in trees_of(mirror, lock)]
    if dry_run:
        return []
    size = 0 if folder.is_symlink() else bytes_on_disk(folder)
    removed = remove_all(trees)
    problems = [f"orphan {one.tree.path}: {one.error}" for one in removed if one.error is not None]
    if problems:
        return problems
    if folder.is_symlink():
        throw_into(trash_of(engine.settings.worktree_root_path), folder)
    elif folder.is_dir() and _has_files(folder):
        # No mirror knows it: nobody could get back what is in it.
        return [f"orphan {folder}: no repository to save its files in; look at them and remove it"]
    else:
        throw_into(trash_of(engine.settings.worktree_root_path), folder)
    for mirror in mirrors:
        retire(mirror, lock.workflow_id)
    throw_workspaces(engine.settings, lock.workflow_id)
    outcome.freed_bytes += size
    return []


def _has_row(reader: Reader, workflow_id: str) -> bool:
    try:
        reader.workflow(workflow_id)
    except NotFound:
        return False
    return True


def _has_files(folder: Path) -> bool:
    return any(files for _, _, files in os.walk(folder))


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as listed:
        return [entry.name for entry in listed if WORKFLOW_ID.match(entry.name) and not entry.is_file()]


def _archives(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as listed:
            names = [entry.name.removesuffix(".tar.gz") for entry in listed]
    except FileNotFoundError:
        return []
    return [name for name in names if WORKFLOW_ID.match(name)]
