"""Which waiting firings may be launched now: overlap, one launch for each, the newest push of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.domain.firing import FiringStatus, Overlap
from orchestrator.store import Store, Transaction
from orchestrator.store.firing_rows import FiringRow
from orchestrator.store.rows import WorkflowRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A firing that the caller, and nobody else, launches now.

    Attributes:
        cancel: Workflows that have to be cancelled first.
    """

    firing: FiringRow
    cancel: tuple[WorkflowRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """A firing that stays where it is, and why."""

    firing: FiringRow
    reason: str


def next_launches(
    store: Store, *, owner: str, workflow: str | None = None, trigger: str | None = None
) -> list[Launch | Waits]:
    """The next firing of each trigger, claimed; of one workflow or trigger, or of all."""
    heads: dict[tuple[str, str], list[FiringRow]] = {}
    for firing in store.read(lambda reader: reader.waiting_firings(workflow, trigger)):
        heads.setdefault((firing.workflow, firing.trigger), []).append(firing)
    return [found for waiting in heads.values() if (found := _next(store, owner, waiting)) is not None]


def _next(store: Store, owner: str, waiting: Sequence[FiringRow]) -> Launch | Waits | None:
    *older, newest = waiting
    replaces = newest.overlap is Overlap.CANCEL_RUNNING or newest.kind == "git_push"
    if older and replaces:
        store.write(lambda tx: _overtake(tx, older, newest))
    return store.write(lambda tx: _claim(tx, owner, newest if replaces else waiting[0]))


def _overtake(tx: Transaction, older: Sequence[FiringRow], newest: FiringRow) -> None:
    for firing in older:
        tx.settle_firing(firing.id, FiringStatus.SKIPPED, reason=f"{firing.reason}; overtaken by {newest.id}")


def _claim(tx: Transaction, owner: str, firing: FiringRow) -> Launch | Waits | None:
    unended = tuple(tx.open_workflows(firing.workflow))
    if unended and firing.overlap is Overlap.SKIP:
        reason = f"{firing.reason}; {unended[0].id} has not ended"
        tx.settle_firing(firing.id, FiringStatus.SKIPPED, reason=reason)
        return None
    if unended and firing.overlap is Overlap.QUEUE:
        return Waits(firing=firing, reason=f"{firing.id} waits for {unended[0].id} to end ({firing.reason})")
    if not tx.claim_firing(firing.id, owner):
        return Waits(firing=firing, reason=f"{firing.id} is being launched")
    return Launch(firing=firing, cancel=unended)
