"""Events that a handler gave up on: kept, shown, and handed over again when somebody asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, or_, select, update

from orchestrator.domain import ids
from orchestrator.domain.events import Event
from orchestrator.store.changes import Changes
from orchestrator.store.firing_rows import DeadLetterRow
from orchestrator.store.reader import columns_of
from orchestrator.store.tables import dead_letters, events

# A relay that dies with one in hand holds it up this long.
CLAIM = timedelta(minutes=5)


class DeadLetterChanges(Changes):
    """The dead letters."""

    def put_dead_letter(self, handler: str, event_id: str, *, error: str, attempts: int) -> None:
        """Keep an event that a handler gave up on, in the place of what it said the time before."""
        row = DeadLetterRow(
            id=ids.dead_letter_id(handler, event_id),
            handler=handler,
            event_id=event_id,
            error=error,
            attempts=attempts,
            failed_at=self.now,
            retry_asked_at=None,
        )
        self._replace(dead_letters, row, claimed_until=None)

    def ask_retry(self, letter_id: str | None) -> int:
        """Have one dead letter, or all of them, handed over again; returns how many that are."""
        asked = update(dead_letters).values(retry_asked_at=self.now)
        if letter_id is not None:
            asked = asked.where(dead_letters.c.id == letter_id)
        return self._connection.execute(asked).rowcount

    def claim_dead_letters(self, handlers: Sequence[str], *, limit: int = 20) -> list[tuple[DeadLetterRow, Event]]:
        """Those of these handlers that somebody asked for, with their events, claimed for five minutes."""
        query = (
            select(*columns_of(DeadLetterRow, dead_letters))
            .where(dead_letters.c.retry_asked_at.is_not(None), dead_letters.c.handler.in_(handlers))
            .where(or_(dead_letters.c.claimed_until.is_(None), dead_letters.c.claimed_until <= self.now))
            .order_by(dead_letters.c.failed_at, dead_letters.c.id)
            .limit(limit)
            # Two relays never get the same one; SQLite's transaction is that lock.
            .with_for_update(skip_locked=True)
        )
        letters = self._all(DeadLetterRow, query)
        claimed = [letter.id for letter in letters]
        self._connection.execute(
            update(dead_letters).where(dead_letters.c.id.in_(claimed)).values(claimed_until=self.now + CLAIM)
        )
        found = self._all(
            Event,
            select(*columns_of(Event, events)).where(events.c.id.in_([letter.event_id for letter in letters])),
        )
        by_id = {event.id: event for event in found}
        return [(letter, by_id[letter.event_id]) for letter in letters]

    def drop_dead_letter(self, letter_id: str) -> None:
        """It was handled after all."""
        self._connection.execute(delete(dead_letters).where(dead_letters.c.id == letter_id))
