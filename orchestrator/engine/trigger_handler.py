"""The bus's side of `event:` triggers: an event fires what waits for it."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.domain.events import Event, EventType
from orchestrator.engine.specs import Specs
from orchestrator.engine.triggers import of_event
from orchestrator.observe.log import get_logger
from orchestrator.spec.model import TriggerSpec
from orchestrator.store import Store, Transaction
from orchestrator.store.firing_rows import FiringRow

_log = get_logger(__name__)


class TriggerHandler:
    """Writes the firings of each event, once."""

    name = "triggers"
    types = frozenset(EventType)

    def __init__(self, store: Store, specs: Specs) -> None:
        self._store = store
        self._specs = specs

    def handle(self, event: Event) -> None:
        specs = self._specs.current()
        if not any(_waits_for(spec.named_triggers().values(), event) for spec in specs.values()):
            return

        def write(tx: Transaction) -> list[FiringRow]:
            came_from = tx.firing_of(event.workflow_id) if event.workflow_id else None
            depth = came_from.depth if came_from else 0
            fired = (tx.put_firing(new) for new in of_event(specs, event, depth=depth))
            return [firing for firing in fired if firing is not None]

        log_firings(self._store.write(write))


def log_firings(fired: list[FiringRow]) -> None:
    """One line for each that came true just now."""
    for firing in fired:
        fields = {"workflow": firing.workflow, "trigger": firing.trigger, "firing": firing.id}
        if firing.settled_at is None:
            _log.info("TriggerFired", message=f"{firing.workflow}: {firing.reason}", **fields)
        else:
            _log.warning("TriggerFailed", message=f"{firing.workflow}: {firing.reason}", **fields)


def _waits_for(triggers: Iterable[TriggerSpec], event: Event) -> bool:
    return any(trigger.event is not None and trigger.event.type is event.type for trigger in triggers)
