"""One pass: everything that has had its time goes, a bounded amount of it; then, where the disk is full, more."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.retention import TIDY, Clock, DiskLevel, Policy
from orchestrator.engine.engine import Engine
from orchestrator.engine.retention.clock import read_clock
from orchestrator.engine.retention.disk import DiskState, announce, look, measure, pause_running, resume_paused
from orchestrator.engine.retention.orphans import remove_orphans
from orchestrator.engine.retention.outcome import Outcome
from orchestrator.engine.retention.policy import MOST, policy_of
from orchestrator.engine.retention.reports import (
    archive_reports,
    delete_reports,
    reports_to_archive,
    reports_to_delete,
)
from orchestrator.engine.retention.roots import check_root
from orchestrator.engine.retention.worktrees import expired_worktrees, missing_worktrees, remove_worktrees
from orchestrator.git.trash import empty, trash_of
from orchestrator.observe.log import get_logger, mask_text
from orchestrator.store import Transaction

_log = get_logger(__name__)
# Under pressure, between two looks at what is free by then.
_AT_ONCE = 10
_CHECKPOINTS_MOST = 10_000


def clean_up(engine: Engine, *, dry_run: bool = False) -> Outcome:
    """One pass. Two at once do the work once; one that is killed is completed by the next.

    A step that fails leaves what it was about and keeps no other; `problems` of the outcome says so.
    """
    began = time.monotonic()
    outcome = Outcome(dry_run=dry_run)
    policy = policy_of(engine.settings)
    clock, leap = read_clock(engine.store)
    if leap is not None:
        outcome.skipped = f"the database's clock leapt by {leap.by_s:.0f} s; what is due goes with the next pass"
    trees = _root(engine, outcome, "worktree_root_path")
    files = _root(engine, outcome, "workflow_root_path")
    steps: list[tuple[bool, Callable[[], None]]] = [
        (trees is not None, lambda: _worktrees(engine, clock, policy, outcome, known=bool(trees))),
        (files is not None, lambda: _reports(engine, clock, policy, outcome)),
        (True, lambda: _checkpoints(engine, clock, policy, outcome)),
        (bool(trees) and bool(files), lambda: remove_orphans(engine, clock, policy, outcome=outcome)),
    ]
    for possible, step in steps:
        if possible and outcome.skipped is None:
            _try(step, outcome)
    if not dry_run:
        _try(lambda: empty_trashes(engine), outcome)
        if trees is not None:
            _try(lambda: relieve(engine, outcome=outcome), outcome)
    outcome.duration_ms = round((time.monotonic() - began) * 1000)
    _log.info("CleanedUp", message=_sentence(outcome), duration=outcome.duration_ms, context=outcome.numbers())
    return outcome


def relieve(engine: Engine, *, outcome: Outcome) -> DiskState:
    """Where the disk is full: WorkTrees of Workflows that have ended for good go, oldest first, until it is not.

    Where that does not do, RUNNING Workflows are paused; once there is room again, they are resumed.
    """
    state = look(engine)
    if state.is_pressing:
        empty_trashes(engine)
        state = look(engine)
    announce(engine, state)
    if state.is_pressing:
        now = engine.store.read(lambda reader: reader.now)
        rows = engine.store.read(lambda reader: reader.ended_with_worktrees(TIDY, before=now))[:MOST]
        for start in range(0, len(rows), _AT_ONCE):
            if not state.is_pressing:
                break
            remove_worktrees(engine, rows[start : start + _AT_ONCE], reason="pressure", outcome=outcome)
            empty_trashes(engine)
            state = look(engine)
        announce(engine, state)
    if state.level is DiskLevel.CRITICAL:
        pause_running(engine.store)
    else:
        resume_paused(engine)
    return state


def watch_disk(engine: Engine) -> DiskState:
    """What happens every few minutes: look at clock and disks, tell of what became worse, resume what may go on.

    Making room is up to the pass that the caller has launched where the disk is pressing.
    """
    read_clock(engine.store)
    measure(engine.store)
    state = look(engine)
    announce(engine, state)
    if state.level is not DiskLevel.CRITICAL:
        resume_paused(engine)
    return state


def empty_trashes(engine: Engine) -> None:
    """Delete what was thrown away; what cannot be deleted is tried again with the next pass."""
    settings = engine.settings
    for root in (settings.worktree_root_path, settings.workflow_root_path, settings.git_root_path):
        empty(trash_of(root))
        left = [entry.name for entry in trash_of(root).glob("*")]
        if left:
            _log.warning("TrashNotEmptied", message=f"{len(left)} left in {trash_of(root)}, such as {left[0]!r}")


def _worktrees(engine: Engine, clock: Clock, policy: Policy, outcome: Outcome, *, known: bool) -> None:
    rows = expired_worktrees(engine, clock, policy)[:MOST]
    if outcome.dry_run:
        trees = engine.store.read(lambda reader: reader.standing_worktrees([row.id for row in rows]))
        outcome.worktrees_removed = len(trees)
        outcome.freed_bytes += sum(tree.bytes or 0 for tree in trees)
        return
    remove_worktrees(engine, rows, reason="expired", outcome=outcome)
    if known:
        remove_worktrees(engine, missing_worktrees(engine, clock)[:MOST], reason="missing", outcome=outcome)


def _reports(engine: Engine, clock: Clock, policy: Policy, outcome: Outcome) -> None:
    over = reports_to_delete(engine, clock, policy)[:MOST]
    if not outcome.dry_run:
        delete_reports(engine, over, outcome=outcome)
    deleted = {row.id for row in over}
    due = [row for row in reports_to_archive(engine, clock, policy) if row.id not in deleted][:MOST]
    if outcome.dry_run:
        outcome.reports_deleted, outcome.reports_archived = len(over), len(due)
    else:
        archive_reports(engine, due, clock=clock, policy=policy, outcome=outcome)


def _checkpoints(engine: Engine, clock: Clock, policy: Policy, outcome: Outcome) -> None:
    shortest = engine.store.read(lambda reader: reader.shortest_keep_s())["checkpoints"]
    before = clock.now - min(policy.checkpoints, policy.of_checkpoints(shortest))
    rows = engine.store.read(lambda reader: reader.invalid_checkpoints(before=before))
    over = [row.id for row in rows if clock.is_over(row.invalidated_at, policy.of_checkpoints(row.keep_s))]
    over = over[:_CHECKPOINTS_MOST]
    if outcome.dry_run:
        outcome.checkpoints_deleted = len(over)
        return
    for start in range(0, len(over), MOST):
        outcome.checkpoints_deleted += engine.store.write(partial(_drop, ids=over[start : start + MOST]))


def _drop(tx: Transaction, *, ids: list[str]) -> int:
    return tx.drop_checkpoints(ids)


def _root(engine: Engine, outcome: Outcome, setting: str) -> bool | None:
    """Whether the root was ours before; None: it is not to be touched."""
    try:
        return check_root(engine.store, getattr(engine.settings, setting), variable=setting.upper())
    except (OrchestratorError, OSError) as error:
        _log.error("RootNotOurs", message=str(error))
        outcome.problems.append(str(error))
        return None


def _try(step: Callable[[], object], outcome: Outcome) -> None:
    try:
        step()
    except (OrchestratorError, OSError) as error:
        problem = mask_text(str(error))
        _log.warning("CleanupFailed", message=problem)
        outcome.problems.append(problem)


def _sentence(outcome: Outcome) -> str:
    did = ", ".join(f"{name} {number}" for name, number in outcome.numbers().items() if number)
    return outcome.skipped or f"{'would do' if outcome.dry_run else 'done'}: {did}"
