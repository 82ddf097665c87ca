"""The bus: carries the events of the store's outbox to their handlers, at least once, in the order of each Workflow."""

from orchestrator.events.bus import Bus, open_bus
from orchestrator.events.handlers import Handler
from orchestrator.events.relay import Relay

__all__ = ["Bus", "Handler", "Relay", "open_bus"]
