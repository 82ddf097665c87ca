"""Many Workflows held at once, as `engine.lease.owned` holds one: for as long as their files go, nobody takes them up.

Whoever is busy is left out, never waited for: the next pass comes by.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from orchestrator.domain.errors import GitLocked, StoreError
from orchestrator.engine.engine import Engine
from orchestrator.engine.lease import HEARTBEAT_S, LEASE_S, this_process
from orchestrator.git import TreeLock, tree_lock
from orchestrator.observe.log import get_logger
from orchestrator.store import Store, Transaction
from orchestrator.store.rows import LeaseRow, WorkflowRow

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One Workflow that is ours for the time of the block: its row as it is now, its lease, its trees."""

    workflow: WorkflowRow
    lease: LeaseRow
    lock: TreeLock


@contextmanager
def holding(
    engine: Engine, workflow_ids: Collection[str], *, still: Callable[[WorkflowRow], bool], tombstone: bool = False
) -> Iterator[tuple[Engine, Mapping[str, Held]]]:
    """Hold those that nobody performs, asks to resume or writes to, and that are still to be held.

    Yields an engine that writes nothing once one of the leases is lost, and the held by id.

    Args:
        still: asked with each row as it is once nobody else can change it.
        tombstone: write down that their WorkTrees are being removed.
    """
    leases = engine.store.write(lambda tx: _take(tx, workflow_ids, still))
    try:
        with ExitStack() as stack:
            held: dict[str, Held] = {}
            for workflow_id, (workflow, lease) in leases.items():
                try:
                    lock = stack.enter_context(tree_lock(engine.git, workflow_id, timeout_ms=0))
                except GitLocked as error:
                    _log.info("WorkflowBusy", message=f"left for the next pass: {error}", workflowId=workflow_id)
                    continue
                held[workflow_id] = Held(workflow=workflow, lease=lease, lock=lock)
            mine = [each.lease for each in held.values()]
            own = replace(engine, store=engine.store.guarded(lambda tx: tx.check_leases(mine)))
            if tombstone and held:
                own.store.write(lambda tx: tx.removing_worktrees(held))
            with _beating(engine.store, mine):
                yield own, held
    finally:
        everything = [lease for _, lease in leases.values()]
        if everything:
            try:
                engine.store.write(lambda tx: tx.give_back_leases(everything))
            except StoreError as error:
                # They end by themselves.
                _log.warning("LeaseKept", message=str(error))


def _take(
    tx: Transaction, workflow_ids: Collection[str], still: Callable[[WorkflowRow], bool]
) -> dict[str, tuple[WorkflowRow, LeaseRow]]:
    taken = tx.take_leases(workflow_ids, this_process(), seconds=LEASE_S)
    unwanted = [lease for row, lease in taken.values() if not still(row)]
    if unwanted:
        tx.give_back_leases(unwanted)
    left = {lease.workflow_id for lease in unwanted}
    return {id: pair for id, pair in taken.items() if id not in left}


@contextmanager
def _beating(store: Store, leases: Collection[LeaseRow]) -> Iterator[None]:
    """Renew the leases meanwhile: a large tree takes longer to be saved than a lease lasts."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_S):
            try:
                store.write(lambda tx: tx.renew_leases(leases, seconds=LEASE_S))
            except StoreError as error:
                _log.warning("HeartbeatMissed", message=str(error))

    thread = threading.Thread(target=beat, name="retention-leases", daemon=True)
    if leases:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if leases:
            thread.join()
