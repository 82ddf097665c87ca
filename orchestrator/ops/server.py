"""The operations server: `/health`, and beside it the relay that hands events to their handlers."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from orchestrator.engine.handlers import handlers
from orchestrator.engine.specs import Specs, spec_folders
from orchestrator.events.bus import Bus, open_bus
from orchestrator.ops.launcher import Launcher
from orchestrator.ops.webhooks import Webhooks
from orchestrator.settings import Settings
from orchestrator.store import Store


def application(
    settings: Settings, relay: Bus, *, webhooks: Webhooks | None = None, launcher: Launcher | None = None
) -> Starlette:
    """The HTTP application; the relay and the launcher run as long as it does."""
    started = time.monotonic()

    async def health(request: Request) -> JSONResponse:
        """HLT-1: looks at this process alone."""
        del request
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = {"timestamp": now, "uptime": round(time.monotonic() - started, 3), "version": settings.app_version}
        up = relaying.is_alive()
        return JSONResponse({"status": "UP" if up else "DOWN", **body}, status_code=200 if up else 503)

    stop = threading.Event()
    relaying = threading.Thread(target=relay.run, args=(stop,), name="relay", daemon=True)
    # It may hang in a launch; what it launches is written down before, and done again.
    launching = [
        threading.Thread(target=each.run, args=(stop,), name="launcher", daemon=True) for each in [launcher] if each
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        for thread in (relaying, *launching):
            thread.start()
        try:
            yield
        finally:
            stop.set()
            relaying.join()

    routes = [Route("/health", health, methods=["GET"]), *([webhooks.route] if webhooks else [])]
    return Starlette(routes=routes, lifespan=lifespan)


def serve(settings: Settings, store: Store, *, host: str) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered and the event in hand is handled first."""
    specs = Specs(spec_folders(settings))
    launcher = Launcher(store, f"http://127.0.0.1:{settings.dagster_ui_port}")
    webhooks = Webhooks(settings, store, specs, fired=launcher.wake)
    relay = open_bus(settings, store, handlers=handlers(settings, store, specs))
    config = uvicorn.Config(
        application(settings, relay, webhooks=webhooks, launcher=launcher),
        host=host,
        port=settings.port,
        # Our root handler writes their lines; uvicorn's own configuration would write a second form.
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        limit_concurrency=200,
    )
    uvicorn.Server(config).run()
