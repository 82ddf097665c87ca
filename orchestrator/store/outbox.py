"""The outbox as the relay needs it: claim what is pending, say what was handed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import or_, select, text, update

from orchestrator.domain.events import Event
from orchestrator.domain.measures import count, observe
from orchestrator.store import metrics
from orchestrator.store.changes import Changes
from orchestrator.store.reader import columns_of
from orchestrator.store.tables import events, handlings

_ADVISORY_LOCK = 0x0C4E57A8


class OutboxChanges(Changes):
    """Claims on pending events. A claim ends by the database's clock, so that a dead relay's events go to another."""

    def claim_events(self, owner: str, *, limit: int, seconds: float) -> list[Event]:
        """Claim the oldest pending events for `owner` and return them in order.

        None whose Workflow has an event claimed by another: its events are handed over one relay at a time, in order.
        Picks by what is unpublished, never behind a position: on PostgreSQL, positions become visible in the order of
        the commits, so that one can show up below another that was published already.
        """
        if self._connection.dialect.name != "sqlite":
            # One claim at a time. Locking only the rows would let a second relay claim a Workflow's next event before
            # the claim on the one before is committed.
            self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        pending = events.c.published_at.is_(None)
        held = events.c.claimed_until > self.now
        busy = select(events.c.workflow_id).where(pending, held, events.c.workflow_id.is_not(None))
        claimable = (
            select(*columns_of(Event, events))
            .where(pending, or_(events.c.claimed_until.is_(None), events.c.claimed_until <= self.now))
            .where(or_(events.c.workflow_id.is_(None), events.c.workflow_id.not_in(busy)))
            .order_by(events.c.position)
            .limit(limit)
        )
        claimed = self._all(Event, claimable)
        self._connection.execute(
            update(events)
            .where(events.c.id.in_([event.id for event in claimed]))
            .values(claimed_by=owner, claimed_until=self.now + timedelta(seconds=seconds))
        )
        return claimed

    def settle_events(
        self, owner: str, *, published: Sequence[str], handled_ms_ago: Mapping[str, float] | None = None
    ) -> None:
        """Mark events, by id, as handed over, and give back whatever else `owner` has claimed.

        Counts each event that becomes published here, once whoever hands it over again, and how long it took from
        written to handled. `handled_ms_ago` says for how long one has been handled by now; for others it is now.
        """
        ago = handled_ms_ago or {}
        marked = self._connection.execute(
            update(events)
            .where(events.c.id.in_(published), events.c.published_at.is_(None))
            .values(published_at=self.now, claimed_by=None, claimed_until=None)
            .returning(events.c.id, events.c.type, events.c.occurred_at)
        ).all()
        for id, type, occurred_at in marked:
            delay_ms = (self.now - occurred_at).total_seconds() * 1000 - ago.get(id, 0)
            self.add_measures([count("event_published_total", type=type)])
            self.add_measures(observe("event_processing_delay_milliseconds", delay_ms))
        self._connection.execute(
            update(events).where(events.c.claimed_by == owner).values(claimed_by=None, claimed_until=None)
        )

    def forget_minutes(self) -> None:
        """Delete what the rates of the last hour no longer look at."""
        metrics.forget_minutes(self._connection, self.now)

    def return_events(self, event_ids: Sequence[str]) -> None:
        """Give back the claims on these events; they are pending as if nobody had claimed them."""
        self._connection.execute(
            update(events)
            .where(events.c.id.in_(event_ids), events.c.published_at.is_(None))
            .values(claimed_by=None, claimed_until=None)
        )

    def handle_once(self, handler: str, event_id: str) -> bool:
        """True the first time that `handler` asks for this event, then False.

        Called in the transaction that also holds the handler's effect, it makes that effect happen exactly once.
        """
        return self._insert_new(handlings, handler=handler, event_id=event_id, handled_at=self.now)
