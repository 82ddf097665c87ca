"""What carries events from the outbox to their handlers: the port, and the bus that the settings name."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from orchestrator.events.handlers import Handler
from orchestrator.events.relay import Relay
from orchestrator.settings import Settings
from orchestrator.store import Store


class Bus(Protocol):
    """Takes pending events out of the outbox and hands them to handlers, at least once, each Workflow's in order.

    How many events wait is `Reader.pending_event_count` on every bus: one that is not handled yet is pending, wherever
    it is just now.

    Attributes:
        publish_failure_streak: attempts in a row that could not publish.
    """

    publish_failure_streak: int

    def run(self, stop: threading.Event) -> None:
        """Carry events until `stop` is set; the handlers at work then finish, what is left stays pending."""

    def idle_s(self) -> float:
        """Seconds since it last came round; long ones mean that it hangs."""

    def ping(self) -> None:
        """Raise `BusError` or `StoreError` unless it can carry events now."""


def open_bus(settings: Settings, store: Store, handlers: Sequence[Handler]) -> Bus:
    """The bus that `EVENT_BUS_TYPE` names; connects on first use."""
    attempts, delay_ms = settings.event_retry_max_attempts, settings.event_retry_delay_ms
    if settings.event_bus_type == "in-memory" or settings.redis_url is None:
        return Relay(store, handlers, max_attempts=attempts, retry_delay_ms=delay_ms)
    # Here: whoever runs without Redis does without its import.
    from orchestrator.events.redis_bus import RedisBus
    from orchestrator.events.stream import Stream

    return RedisBus(store, handlers, Stream(settings.redis_url), max_attempts=attempts, retry_delay_ms=delay_ms)
