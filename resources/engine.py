"""The engine as a Dagster resource."""

import threading
from importlib import import_module

import dagster as dg
from pydantic import PrivateAttr

from orchestrator.engine.engine import Engine, open_engine
from orchestrator.observe.trace import flush_traces
from orchestrator.settings import load_settings


def import_agent_protocol() -> None:
    """Begin what the first agent would otherwise wait for; a second call changes nothing.

    The protocol's models take most of a second to import. Whoever knows that Works will be performed calls this as soon
    as Dagster is imported: meanwhile the run is prepared and the first Work fetches its Gits.
    """
    threading.Thread(target=import_module, args=("orchestrator.agents.acp",), daemon=True).start()


class EngineResource(dg.ConfigurableResource[Engine]):
    """Opens the engine once per run, from the environment's settings, and closes its store afterwards."""

    _engine: Engine | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        del context
        self._engine = open_engine(load_settings())
        import_agent_protocol()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        del context
        if self._engine is not None:
            self._engine.store.close()
            flush_traces()

    def engine(self) -> Engine:
        """The engine of this run."""
        if self._engine is None:
            raise RuntimeError("the engine is open during a run only")
        return self._engine
