"""Firings and webhook deliveries: written once, launched once, whatever is retried, restarted or delivered twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain import ids
from orchestrator.domain.errors import WrongState
from orchestrator.domain.firing import FiringStatus
from orchestrator.store.changes import Changes
from orchestrator.store.firing_rows import FiringRow, NewFiring, PublicationRow
from orchestrator.store.tables import deliveries, firings, publications

# A launch that was not heard of for so long is tried again; should both arrive, the coordinator refuses the second.
LAUNCH_CLAIM = timedelta(seconds=45)


# Built once: a thousand of them may come in a second.
_NEW_DELIVERY = {
    "sqlite": sqlite.insert(deliveries).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(deliveries).on_conflict_do_nothing(),
}


class FiringChanges(Changes):
    """The firings."""

    def put_firing(self, new: NewFiring) -> FiringRow | None:
        """Write that a trigger has come true; None where this cause was written already."""
        status = FiringStatus.FAILED if new.failed else FiringStatus.WAITING
        id = ids.firing_id(new.workflow, new.trigger, new.key)
        written = self._insert_new(
            firings,
            id=id,
            workflow=new.workflow,
            trigger=new.trigger,
            kind=new.kind,
            key=new.key,
            status=status,
            overlap=new.overlap,
            inputs=dict(new.inputs),
            reason=new.reason,
            depth=new.depth,
            fired_at=self.now,
            settled_at=self.now if new.failed else None,
        )
        return self.firing(id) if written else None

    def put_push(self, new: NewFiring) -> FiringRow | None:
        """As `put_firing`, of a ref whose head is `key`; None where its last firing was for that head already.

        Whoever saw the push first, the webhook or the look at the remote, the other finds it here. A head that comes
        back after another one is a push again.
        """
        last = self.last_firing(new.workflow, new.trigger)
        if last is not None and last.key.partition(":")[0] == new.key:
            return None
        before = "first" if last is None else last.id
        return self.put_firing(replace(new, key=f"{new.key}:{before}"))

    def claim_firing(self, firing_id: str, owner: str) -> bool:
        """Whether the caller may launch it now: it is WAITING, and nobody else is about to."""
        free = or_(firings.c.claimed_until.is_(None), firings.c.claimed_until <= self.now)
        claimed = self._connection.execute(
            update(firings)
            .where(firings.c.id == firing_id, firings.c.status == FiringStatus.WAITING, free)
            .values(claimed_by=owner, claimed_until=self.now + LAUNCH_CLAIM)
        )
        return claimed.rowcount == 1

    def release_firing(self, firing_id: str) -> None:
        """It could not be launched just now; anybody may try again."""
        self._connection.execute(
            update(firings).where(firings.c.id == firing_id).values(claimed_by=None, claimed_until=None)
        )

    def settle_firing(self, firing_id: str, status: FiringStatus, *, reason: str) -> None:
        """A WAITING one will never be launched."""
        self._connection.execute(
            update(firings)
            .where(firings.c.id == firing_id, firings.c.status == FiringStatus.WAITING)
            .values(status=status, reason=reason, settled_at=self.now)
        )

    def launch_firing(self, firing_id: str, *, run_id: str, workflow_id: str) -> None:
        """It becomes this run and no other. Raises `WrongState` where it became another, or was settled."""
        launched = self._connection.execute(
            update(firings)
            .where(firings.c.id == firing_id, firings.c.status == FiringStatus.WAITING)
            .values(status=FiringStatus.LAUNCHED, run_id=run_id, workflow_id=workflow_id, settled_at=self.now)
        )
        if launched.rowcount == 1:
            return
        firing = self.firing(firing_id)
        if firing.run_id != run_id:
            raise WrongState(f"firing {firing_id} is {firing.status} already, as run {firing.run_id}; nothing to do")

    def put_delivery(self, source: str, delivery_id: str, *, digest: str, event: str, once: bool) -> bool:
        """Note a webhook delivery; False where it came before. With `once`, also where its body did."""
        if once:
            same = select(deliveries.c.id).where(deliveries.c.source == source, deliveries.c.digest == digest)
            if self._connection.execute(same.limit(1)).first() is not None:
                return False
        values = {"source": source, "id": delivery_id, "digest": digest, "event": event, "received_at": self.now}
        return self._connection.execute(_NEW_DELIVERY[self._connection.dialect.name], values).rowcount == 1

    def forget_deliveries(self, *, days: int = 30) -> int:
        """Delete deliveries older than any sender repeats one; returns how many."""
        old = deliveries.c.received_at < self.now - timedelta(days=days)
        return self._connection.execute(delete(deliveries).where(old)).rowcount

    def put_publication(self, row: PublicationRow) -> None:
        """Note what became of publishing a Git, in the place of what was noted before."""
        self._replace(publications, row)
