"""What wants to hear of events."""

from __future__ import annotations

from typing import Protocol

from orchestrator.domain.events import Event, EventType


class Handler(Protocol):
    """Hears of every event of its types at least once, those of one Workflow in order.

    An effect in the store happens exactly once where it is written in one transaction with
    `Transaction.handle_once(self.name, event.id)`. Other effects key on the event's id.

    Attributes:
        name: bounded and stable; it labels metrics and identifies the handler in `handle_once`.
        types: what it subscribes to; `frozenset(EventType)` is everything.
    """

    @property
    def name(self) -> str: ...

    @property
    def types(self) -> frozenset[EventType]: ...

    def handle(self, event: Event) -> None:
        """Act on one event. Raising means: not done, try again."""
