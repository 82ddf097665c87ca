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

from orchestrator.events.bus import Bus, open_bus
from orchestrator.settings import Settings
from orchestrator.store import Store


def application(settings: Settings, relay: Bus) -> Starlette:
    """The HTTP application; the relay runs as long as it does."""
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

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        relaying.start()
        try:
            yield
        finally:
            stop.set()
            relaying.join()

    return Starlette(routes=[Route("/health", health, methods=["GET"])], lifespan=lifespan)


def serve(settings: Settings, store: Store, *, host: str) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered and the event in hand is handled first."""
    relay = open_bus(settings, store, handlers=())
    config = uvicorn.Config(
        application(settings, relay),
        host=host,
        port=settings.port,
        # Our root handler writes their lines; uvicorn's own configuration would write a second form.
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        limit_concurrency=200,
    )
    uvicorn.Server(config).run()
