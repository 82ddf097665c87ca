"""The bus over Redis Streams: the outbox is published to a stream, a consumer group hands its entries to handlers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from orchestrator.domain import ids
from orchestrator.domain.errors import BusError, StoreError
from orchestrator.domain.events import Event
from orchestrator.events.hand_over import HandOver, ms_since
from orchestrator.events.handlers import Handler
from orchestrator.events.stream import Entry, Stream
from orchestrator.store import Store, Transaction

log = structlog.get_logger(__name__)

_RETRY_LOOK_S = 1.0
_LONGEST_PAUSE_S = 2.0
# Entries that a consumer takes at once: they share the transaction that marks them.
_READ = 100


class RedisBus:
    """Publishes pending events as stream entries, one for each Workflow, and consumes them; see `Bus`.

    An event stays claimed in the outbox until a consumer has handled it, and none of its Workflow is claimed meanwhile.
    So a Workflow's events keep their order over any number of consumers, and what a Redis that dies had not yet handed
    out is published anew once the claim lapses: nothing is in Redis alone.

    Args:
        claim_seconds: after this long without an answer an event is published anew, and an entry goes to another
            consumer; a handler that takes longer may be called twice at once.
        consumers: threads of this process.
    """

    def __init__(
        self,
        store: Store,
        handlers: Sequence[Handler],
        stream: Stream,
        *,
        max_attempts: int = 3,
        retry_delay_ms: int = 1000,
        batch: int = 200,
        claim_seconds: float = 30.0,
        poll_ms: int = 20,
        consumers: int = 2,
    ) -> None:
        self._store = store
        self._stream = stream
        self._hand_over = HandOver(store, handlers, max_attempts=max_attempts, retry_delay_ms=retry_delay_ms)
        self._batch = batch
        self._claim_seconds = claim_seconds
        self._poll_ms = poll_ms
        self._consumers = consumers
        self._owner = ids.new_process_id()
        self._rounds_at: dict[str, float] = {}
        self._interrupted = False
        self.publish_failure_streak = 0

    def run(self, stop: threading.Event) -> None:
        """Publish and consume until `stop` is set; the handlers at work then finish, what is left stays pending."""
        names = [f"{self._owner}-{number}" for number in range(1, self._consumers + 1)]
        threads = [
            threading.Thread(target=self._round, args=(stop, name, _Consumer(self, name, stop).round), name=name)
            for name in names
        ]
        for thread in threads:
            thread.start()
        self._round(stop, self._owner, self._publish)
        for thread in threads:
            thread.join()
        self._store.write(lambda tx: tx.settle_events(self._owner, published=()))
        self._stream.close()

    def idle_s(self) -> float:
        """Seconds since the slowest of its threads came round, or handed an event over."""
        return time.monotonic() - min(self._rounds_at.values(), default=time.monotonic())

    def ping(self) -> None:
        """Raise `BusError` unless Redis takes commands."""
        self._stream.ping()

    def _round(self, stop: threading.Event, name: str, once: Callable[[], None]) -> None:
        """Do it again and again; the pause after a failure grows, and the first failure is logged with its stack."""
        failures = 0
        while not stop.is_set():
            try:
                once()
                failures = 0
            except (BusError, StoreError) as error:
                failures += 1
                self._interrupted = True
                log.log(40 if failures == 1 else 10, "EventBusStalled", message=str(error), context={"consumer": name})
                stop.wait(min(_LONGEST_PAUSE_S, 0.1 * 2**failures))
            self._rounds_at[name] = time.monotonic()

    def _publish(self) -> None:
        try:
            # First, so that nothing is claimed for a Redis that is away.
            if self.publish_failure_streak or self._interrupted:
                self._stream.ping()
                self._give_back()
            pause_ms = self._publish_batch()
        except (BusError, StoreError):
            self.publish_failure_streak += 1
            raise
        self.publish_failure_streak = 0
        time.sleep(pause_ms / 1000)

    def _publish_batch(self) -> int:
        """Publish what can be claimed; returns how long to wait before the next look, ms."""
        if not self._store.read(lambda reader: reader.claimable_events()):
            return self._poll_ms
        claimed = self._store.write(
            lambda tx: tx.claim_events(self._owner, limit=self._batch, seconds=self._claim_seconds)
        )
        entries = _by_workflow(claimed)
        added = self._stream.add(entries) if entries else set()
        # Of these Workflows an entry is still in the stream, since before a Redis or a relay went away.
        again = [event_id for entry in entries if entry.id not in added for event_id in entry.event_ids]
        if again:
            self._store.write(lambda tx: tx.return_events(again))
        return 10 * self._poll_ms if again else 0

    def _give_back(self) -> None:
        """After an outage: what a Redis that lost it was given is published anew, what it kept is known to it."""
        self._interrupted = False
        self._store.write(lambda tx: tx.settle_events(self._owner, published=()))


class _Consumer:
    """One consumer of the group, in a thread of its own."""

    def __init__(self, bus: RedisBus, name: str, stop: threading.Event) -> None:
        self._bus = bus
        self._name = name
        self._stop = stop
        self._looked_at = 0.0

    def round(self) -> None:
        """Handle what there is, or wait a moment for it."""
        bus = self._bus
        entries: list[Entry] = []
        if time.monotonic() - self._looked_at > _RETRY_LOOK_S:
            self._looked_at = time.monotonic()
            bus._hand_over.retry_dead_letters(self._stop)
            entries = bus._stream.take_over(self._name, idle_ms=int(bus._claim_seconds * 1000), count=_READ)
        entries = entries or bus._stream.read(self._name, count=_READ, block_ms=200)
        if entries:
            self._consume(entries)

    def _consume(self, entries: list[Entry]) -> None:
        store = self._bus._store
        # Event's id -> when its last handler was done, monotonic seconds.
        handled: dict[str, float] = {}
        named = [event_id for entry in entries for event_id in entry.event_ids]
        # Also how an entry that comes a second time is told: what was handled is not pending any more.
        pending = {event.id: event for event in store.read(lambda reader: reader.still_pending(named))}
        try:
            for number, entry in enumerate(entries):
                if not all(self._handled(pending[id], handled) for id in entry.event_ids if id in pending):
                    break
                if number % 20 == 19:
                    self._bus._stream.keep(self._name, entries[number + 1 :])
        finally:
            left = [id for id in pending if id not in handled]
            ago = ms_since(handled)
            store.write(lambda tx: _settle(tx, self._name, handled_ms_ago=ago, left=left))
        self._bus._stream.acknowledge(entries)

    def _handled(self, event: Event, handled: dict[str, float]) -> bool:
        if self._stop.is_set() or not self._bus._hand_over.hand_over(event, self._stop):
            return False
        handled[event.id] = self._bus._rounds_at[self._name] = time.monotonic()
        return True


def _settle(tx: Transaction, name: str, *, handled_ms_ago: Mapping[str, float], left: Sequence[str]) -> None:
    """Mark what was handled; what was not is pending again at once, not when its claim lapses."""
    tx.settle_events(name, published=tuple(handled_ms_ago), handled_ms_ago=handled_ms_ago)
    tx.return_events(left)


def _by_workflow(claimed: Sequence[Event]) -> list[Entry]:
    """One entry for each Workflow, in the order of their first events; an event of none is an entry of its own."""
    groups: dict[str, list[str]] = {}
    for event in claimed:
        groups.setdefault(event.workflow_id or event.id, []).append(event.id)
    return [Entry(event_ids=tuple(group)) for group in groups.values()]
