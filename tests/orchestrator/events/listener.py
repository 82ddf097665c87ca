"""A handler for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from orchestrator.domain.events import Event, EventType


class Listener:
    """Remembers what it heard, and does `then`."""

    def __init__(
        self,
        name: str = "listener",
        types: Iterable[EventType] = EventType,
        then: Callable[[Event], object] = lambda event: None,
    ) -> None:
        self.name = name
        self.types = frozenset(types)
        self.heard: list[Event] = []
        self._then = then

    def handle(self, event: Event) -> None:
        self.heard.append(event)
        self._then(event)


def fail(event: Event) -> None:
    """Refuse it."""
    raise RuntimeError(f"cannot do {event.type}")
