"""The in-process bus: takes pending events out of the store's outbox and hands them to handlers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog
from structlog.contextvars import bound_contextvars

from orchestrator.domain import ids
from orchestrator.domain.errors import StoreError
from orchestrator.domain.events import Event
from orchestrator.domain.measures import count
from orchestrator.events.handlers import Handler
from orchestrator.store import Store

log = structlog.get_logger(__name__)


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
        batch: int = 50,
        claim_seconds: float = 30.0,
        poll_ms: int = 200,
    ) -> None:
        self._store = store
        self._handlers = tuple(handlers)
        self._max_attempts = max_attempts
        self._retry_delay_ms = retry_delay_ms
        self._batch = batch
        self._claim_seconds = claim_seconds
        self._poll_ms = poll_ms
        self._owner = ids.new_process_id()
        self.publish_failure_streak = 0
        self._last_round_at = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Relay until `stop` is set; the handler at work then finishes, what is left stays pending."""
        while not stop.is_set():
            try:
                self.drain(stop)
                self.publish_failure_streak = 0
            except StoreError as error:
                self.publish_failure_streak += 1
                log.exception("EventRelayStalled", message=str(error), context={"owner": self._owner})
            self._last_round_at = time.monotonic()
            stop.wait(self._poll_ms / 1000)

    def idle_s(self) -> float:
        """Seconds since it last came round, or handed an event over."""
        return time.monotonic() - self._last_round_at

    def drain(self, stop: threading.Event | None = None) -> int:
        """Relay what is pending until nothing can be claimed, and return how many events that was.

        Raises `StoreError` when the database stays out of reach.
        """
        stop = stop or threading.Event()
        total = 0
        # Looking first keeps an idle relay from taking SQLite's write lock five times a second.
        while not stop.is_set() and self._store.read(lambda reader: reader.pending_events(1)):
            published = self._relay_batch(stop)
            total += published
            if not published:
                break
        return total

    def _relay_batch(self, stop: threading.Event) -> int:
        # Half of the claim: what a slow handler leaves undone is given back well before another relay could take it.
        deadline = time.monotonic() + self._claim_seconds / 2
        claimed = self._store.write(
            lambda tx: tx.claim_events(self._owner, limit=self._batch, seconds=self._claim_seconds)
        )
        # Event's id -> when its last handler was done, monotonic seconds.
        handled: dict[str, float] = {}
        try:
            for event in claimed:
                if stop.is_set() or time.monotonic() > deadline or not self._hand_over(event, stop):
                    break
                handled[event.id] = self._last_round_at = time.monotonic()
        finally:
            now = time.monotonic()
            ago = {id: (now - moment) * 1000 for id, moment in handled.items()}
            self._store.write(lambda tx: tx.settle_events(self._owner, published=tuple(ago), handled_ms_ago=ago))
        return len(handled)

    def _hand_over(self, event: Event, stop: threading.Event) -> bool:
        """Whether the event is done with; False when `stop` came before."""
        with bound_contextvars(
            correlationId=event.correlation_id,
            workflowId=event.workflow_id,
            workId=event.work_id,
            taskId=event.task_id,
        ):
            # In turn: those behind one that `stop` interrupted have not heard of it when it is handed over again.
            subscribed = (handler for handler in self._handlers if event.type in handler.types)
            return all(self._handle(handler, event, stop) for handler in subscribed)

    def _handle(self, handler: Handler, event: Event, stop: threading.Event) -> bool:
        for attempt in range(1, self._max_attempts + 1):
            try:
                handler.handle(event)
            except Exception as error:  # noqa: BLE001 — whatever one handler raises, the others must get their event
                _report(handler, event, error, attempt=attempt, last=attempt == self._max_attempts)
                self._store.write(
                    lambda tx: tx.add_measures([count("event_handler_error_total", handler=handler.name)])
                )
            else:
                return True
            if attempt < self._max_attempts and stop.wait(self._retry_delay_ms / 1000):
                return False
        return True


def _report(handler: Handler, event: Event, error: Exception, *, attempt: int, last: bool) -> None:
    message = f"handler {handler.name}: {event.type}: {type(error).__name__}: {error}"
    context = {"handler": handler.name, "eventId": event.id, "type": event.type, "attempt": attempt}
    if last:
        log.error("EventHandlerFailed", message=f"{message}; given up", context=context, exc_info=error)
    else:
        log.warning("EventHandlerRetried", message=message, context=context)
