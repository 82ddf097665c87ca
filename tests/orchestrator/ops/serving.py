"""The operations server as `orchestrator serve` runs it, in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from orchestrator.events import open_bus
from orchestrator.ops.dependencies import ConnectMcp, no_mcp_servers
from orchestrator.ops.http import ImpatientProtocol
from orchestrator.ops.processes import free_port
from orchestrator.ops.server import application
from orchestrator.settings import Settings, load_settings, prepare_folders
from orchestrator.store import Store, open_store


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that answers."""

    settings: Settings
    store: Store
    url: str
    port: int


@contextmanager
def served(home: Path, *, connect_mcp: ConnectMcp = no_mcp_servers, **environment: str) -> Iterator[Served]:
    """A server over an empty store under `home`."""
    port = free_port()
    variables = {"ORCHESTRATOR_HOME": str(home), "PORT": str(port), "DAGSTER_UI_PORT": str(free_port()), **environment}
    settings = load_settings(variables)
    prepare_folders(settings)
    store = open_store(settings.database_url)
    store.migrate()
    app = application(settings, store, open_bus(settings, store, handlers=()), connect_mcp=connect_mcp)
    config = uvicorn.Config(app, port=port, http=ImpatientProtocol, log_config=None, limit_concurrency=500)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    try:
        yield Served(settings=settings, store=store, url=f"http://127.0.0.1:{port}", port=port)
    finally:
        server.should_exit = True
        thread.join(30)
        store.close()
