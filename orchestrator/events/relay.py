"""The in-process bus: takes pending events out of the store's outbox and hands them to handlers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from orchestrator.domain import ids
from orchestrator.domain.errors import StoreError
from orchestrator.events.hand_over import HandOver, ms_since
from orchestrator.events.handlers import Handler
from orchestrator.store import Store

log = structlog.get_logger(__name__)

# Between looks for dead letters that somebody wants handed over again.
_RETRY_LOOK_S = 1.0
# Events that a thread takes beside the first one.
_BESIDE = 50


class Relay:
    """Hands every pending event to the handlers that subscribe to its type, and marks it published.

    Any number of relays may run over one database: each event goes to one of them, and a Workflow's events go in order.
    A relay that dies loses nothing: once its claim has lapsed another takes over, and hands over again what the dead
    one had handed over but not yet marked.

    Args:
        max_attempts: how often a handler gets one event (`EVENT_RETRY_MAX_ATTEMPTS`), the first time included.
        retry_delay_ms: between two attempts (`EVENT_RETRY_DELAY_MS`).
        batch: events claimed at once.
        claim_seconds: how long a dead relay holds up the events it had claimed.
        poll_ms: between looks at an empty outbox.
        threads: that `run` relays in, so that a handler which waits for its next attempt holds up one of them.

    Attributes:
        publish_failure_streak: rounds in a row that could not take or mark events.
    """

    def __init__(
        self,
        store: Store,
        handlers: Sequence[Handler],
        *,
        max_attempts: int = 3,
        retry_delay_ms: int = 1000,
        batch: int = 200,
        claim_seconds: float = 30.0,
        poll_ms: int = 40,
        threads: int = 3,
    ) -> None:
        self._store = store
        self._hand_over = HandOver(store, handlers, max_attempts=max_attempts, retry_delay_ms=retry_delay_ms)
        self._batch = batch
        self._claim_seconds = claim_seconds
        self._poll_ms = poll_ms
        self._threads = threads
        self._owner = ids.new_process_id()
        self.publish_failure_streak = 0
        self._last_round_at = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Relay until `stop` is set; the handlers at work then finish, what is left stays pending."""
        others = [
            threading.Thread(target=self._run_beside, args=(stop, f"{self._owner}-{number}"), name=f"relay-{number}")
            for number in range(2, self._threads + 1)
        ]
        for thread in others:
            thread.start()
        self._run(stop)
        for thread in others:
            thread.join()

    def drain(self, stop: threading.Event | None = None) -> int:
        """Relay what is pending until nothing can be claimed, and return how many events that was.

        Raises `StoreError` when the database stays out of reach.
        """
        return self._drain(stop or threading.Event(), self._owner)

    def idle_s(self) -> float:
        """Seconds since it last came round, or handed an event over."""
        return time.monotonic() - self._last_round_at

    def ping(self) -> None:
        """Raise `StoreError` unless events can be taken: the bus is the outbox itself."""
        self._store.read(lambda reader: reader.claimable_events(), patient=False)

    def _run(self, stop: threading.Event) -> None:
        looked_at = 0.0
        while not stop.is_set():
            try:
                self._drain(stop, self._owner)
                if time.monotonic() - looked_at > _RETRY_LOOK_S:
                    self._hand_over.retry_dead_letters(stop)
                    looked_at = time.monotonic()
                self.publish_failure_streak = 0
            except StoreError as error:
                self.publish_failure_streak += 1
                log.exception("EventRelayStalled", message=str(error), context={"owner": self._owner})
            self._last_round_at = time.monotonic()
            stop.wait(self._poll_ms / 1000)

    def _run_beside(self, stop: threading.Event, owner: str) -> None:
        """Relay while the first thread does not come round: it has a handler that is slow or waits to be tried again.

        Otherwise it stays away, as two writers of one SQLite file mostly wait for each other.
        """
        while not stop.wait(self._poll_ms / 1000):
            if self.idle_s() > 5 * self._poll_ms / 1000:
                try:
                    self._relay_batch(stop, owner, limit=_BESIDE)
                except StoreError:
                    continue  # the first thread says so

    def _drain(self, stop: threading.Event, owner: str) -> int:
        total = 0
        # Looking first keeps an idle relay from taking SQLite's write lock many times a second.
        while not stop.is_set() and self._store.read(lambda reader: reader.claimable_events()):
            published = self._relay_batch(stop, owner)
            total += published
            if not published:
                break
        return total

    def _relay_batch(self, stop: threading.Event, owner: str, *, limit: int | None = None) -> int:
        limit = limit or self._batch
        # Half of the claim: what a slow handler leaves undone is given back well before another relay could take it.
        deadline = time.monotonic() + self._claim_seconds / 2
        claimed = self._store.write(lambda tx: tx.claim_events(owner, limit=limit, seconds=self._claim_seconds))
        # Event's id -> when its last handler was done, monotonic seconds.
        handled: dict[str, float] = {}
        try:
            for event in claimed:
                if stop.is_set() or time.monotonic() > deadline or not self._hand_over.hand_over(event, stop):
                    break
                handled[event.id] = self._last_round_at = time.monotonic()
        finally:
            ago = ms_since(handled)
            self._store.write(lambda tx: tx.settle_events(owner, published=tuple(ago), handled_ms_ago=ago))
        return len(handled)
