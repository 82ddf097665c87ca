"""Everything of ours that hears of events."""

from __future__ import annotations

from orchestrator.engine.notify import NotifyHandler
from orchestrator.engine.publish import PublishHandler
from orchestrator.engine.specs import Specs
from orchestrator.engine.trigger_handler import TriggerHandler
from orchestrator.events import Handler
from orchestrator.settings import Settings
from orchestrator.store import Store


def handlers(settings: Settings, store: Store, specs: Specs) -> list[Handler]:
    """The handlers of the operations server's bus."""
    return [TriggerHandler(store, specs), PublishHandler(settings, store), NotifyHandler(settings, store)]
