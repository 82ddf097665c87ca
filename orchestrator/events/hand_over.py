"""One event to the handlers that want it: tried again as often as the settings say, then kept as a dead letter."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum, auto

import structlog
from structlog.contextvars import bound_contextvars

from orchestrator.domain.events import Event
from orchestrator.domain.measures import count
from orchestrator.events.handlers import Handler
from orchestrator.observe.log import mask_text
from orchestrator.store import Store, Transaction

log = structlog.get_logger(__name__)


class _Outcome(Enum):
    HANDLED = auto()
    GIVEN_UP = auto()
    STOPPED = auto()


class HandOver:
    """Hands events to handlers, in the thread that calls; what both buses share.

    Args:
        max_attempts: how often a handler gets one event (`EVENT_RETRY_MAX_ATTEMPTS`), the first time included.
        retry_delay_ms: between two attempts (`EVENT_RETRY_DELAY_MS`).
    """

    def __init__(
        self, store: Store, handlers: Sequence[Handler], *, max_attempts: int = 3, retry_delay_ms: int = 1000
    ) -> None:
        self._store = store
        self._handlers = tuple(handlers)
        self._max_attempts = max_attempts
        self._retry_delay_ms = retry_delay_ms

    def hand_over(self, event: Event, stop: threading.Event) -> bool:
        """Whether the event is done with; False when `stop` came before.

        Raises `StoreError` where a dead letter cannot be written: the event is not done with then.
        """
        with _context_of(event):
            # In turn: those behind one that `stop` interrupted have not heard of it when it is handed over again.
            subscribed = (handler for handler in self._handlers if event.type in handler.types)
            return all(self._handle(handler, event, stop) is not _Outcome.STOPPED for handler in subscribed)

    def retry_dead_letters(self, stop: threading.Event) -> int:
        """Hand over the dead letters that somebody asked for anew; returns how many were handled."""
        if not self._store.read(lambda reader: reader.dead_letters(asked_only=True, limit=1)):
            return 0
        handlers = {handler.name: handler for handler in self._handlers}
        handled = 0
        for letter, event in self._store.write(lambda tx: tx.claim_dead_letters(list(handlers))):
            if stop.is_set():
                break
            with _context_of(event):
                outcome = self._handle(handlers[letter.handler], event, stop)
            if outcome is _Outcome.HANDLED:
                self._drop(letter.id)
                handled += 1
        return handled

    def _drop(self, letter_id: str) -> None:
        self._store.write(lambda tx: tx.drop_dead_letter(letter_id))

    def _handle(self, handler: Handler, event: Event, stop: threading.Event) -> _Outcome:
        for attempt in range(1, self._max_attempts + 1):
            try:
                handler.handle(event)
            except Exception as error:  # noqa: BLE001 — whatever one handler raises, the others must get their event
                last = attempt == self._max_attempts
                _report(handler, event, error, attempt=attempt, last=last)
                self._note(handler, event, error, last=last)
            else:
                return _Outcome.HANDLED
            if attempt < self._max_attempts and stop.wait(self._retry_delay_ms / 1000):
                return _Outcome.STOPPED
        return _Outcome.GIVEN_UP

    def _note(self, handler: Handler, event: Event, error: Exception, *, last: bool) -> None:
        """Count the attempt that failed, and keep the event as a dead letter where it was the last."""
        said = mask_text(f"{type(error).__name__}: {error}")

        def write(tx: Transaction) -> None:
            tx.add_measures([count("event_handler_error_total", handler=handler.name)])
            if last:
                tx.put_dead_letter(handler.name, event.id, error=said, attempts=self._max_attempts)

        self._store.write(write)


def ms_since(moments: Mapping[str, float]) -> dict[str, float]:
    """Event's id -> monotonic seconds, as what `settle_events` takes: how long ago that was, in milliseconds."""
    now = time.monotonic()
    return {id: (now - moment) * 1000 for id, moment in moments.items()}


def _context_of(event: Event) -> AbstractContextManager[None]:
    return bound_contextvars(
        correlationId=event.correlation_id,
        workflowId=event.workflow_id,
        workId=event.work_id,
        taskId=event.task_id,
    )


def _report(handler: Handler, event: Event, error: Exception, *, attempt: int, last: bool) -> None:
    message = f"handler {handler.name}: {event.type}: {type(error).__name__}: {error}"
    context = {"handler": handler.name, "eventId": event.id, "type": event.type, "attempt": attempt}
    if last:
        log.error("EventHandlerFailed", message=f"{message}; given up", context=context, exc_info=error)
    else:
        log.warning("EventHandlerRetried", message=message, context=context)
