"""The operations server: health, metrics and webhooks; beside them the bus of events, and what triggers launch."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.engine.handlers import handlers
from orchestrator.engine.specs import Specs, spec_folders
from orchestrator.events import Bus, open_bus
from orchestrator.mcp.registry import registered_servers
from orchestrator.observe.trace import tracing_app
from orchestrator.ops.dependencies import ConnectMcp, checks, informing, no_mcp_servers
from orchestrator.ops.health import Health, timestamp
from orchestrator.ops.http import ImpatientProtocol
from orchestrator.ops.launcher import Launcher
from orchestrator.ops.live import Connections, live_values
from orchestrator.ops.mcp_servers import registered
from orchestrator.ops.monitor import Monitor
from orchestrator.ops.scrape import Scrape
from orchestrator.ops.webhooks import Webhooks
from orchestrator.settings import Settings
from orchestrator.store import Store, Transaction


def application(
    settings: Settings,
    store: Store,
    bus: Bus,
    *,
    connect_mcp: ConnectMcp = no_mcp_servers,
    webhooks: Webhooks | None = None,
    launcher: Launcher | None = None,
) -> Starlette:
    """The HTTP application; the bus, the monitor and the launcher run as long as it does."""
    started = time.monotonic()
    connections = Connections(connect_mcp, store)
    health_of_all = Health(checks(settings, store, bus, connections.connect), informing=informing(settings))
    monitor = Monitor(settings, health_of_all, hourly=lambda: store.write(_forget))
    scrape = Scrape(store, lambda database_up: live_values(store, bus, monitor, connections, database_up=database_up))

    async def health(request: Request) -> JSONResponse:
        """HLT-1: looks at this process alone."""
        del request
        body = {
            "timestamp": timestamp(),
            "uptime": round(time.monotonic() - started, 3),
            "version": settings.app_version,
        }
        up = all(thread.is_alive() for thread in background)
        return JSONResponse({"status": "UP" if up else "DOWN", **body}, status_code=200 if up else 503)

    async def ready(request: Request) -> JSONResponse:
        """HLT-2: looks at all that the system depends on."""
        del request
        up, body = await health_of_all.ready()
        return JSONResponse(body, status_code=200 if up else 503)

    async def metrics(request: Request) -> Response:
        """Prometheus text or OpenMetrics, as asked for."""
        body, content_type = await asyncio.wrap_future(scrape.answer(request.headers.get("accept", "")))
        return Response(body, headers={"content-type": content_type})

    stop = threading.Event()
    # The bus first: it alone is waited for. The launcher may hang in a launch; what it launches is written down before,
    # and done again.
    runs = (("bus", bus.run), ("monitor", monitor.run), *((("launcher", launcher.run),) if launcher else ()))
    background = _threads(stop, runs)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        for thread in background:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            # The monitor changes nothing and may hang in a check; the bus finishes the events in hand.
            await asyncio.to_thread(background[0].join)

    routes = [
        Route("/health", health, methods=["GET"]),
        Route("/ready", ready, methods=["GET"]),
        *([webhooks.route] if webhooks else []),
    ]
    if settings.metrics_enabled:
        routes.append(Route(settings.metrics_path, metrics, methods=["GET"]))
    return Starlette(routes=routes, lifespan=lifespan)


def serve(settings: Settings, store: Store, *, host: str) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered and the event in hand is handled first."""
    specs = Specs(
        spec_folders(settings),
        registered_mcp=lambda: registered_servers(settings),
        beside=[settings.mcp_servers_path],
    )
    launcher = Launcher(store, f"http://127.0.0.1:{settings.dagster_ui_port}")
    webhooks = Webhooks(settings, store, specs, fired=launcher.wake)
    bus = open_bus(settings, store, handlers=handlers(settings, store, specs))
    config = uvicorn.Config(
        tracing_app(
            application(settings, store, bus, connect_mcp=registered(settings), webhooks=webhooks, launcher=launcher)
        ),
        host=host,
        port=settings.port,
        http=ImpatientProtocol,
        # Our root handler writes their lines; uvicorn's own configuration would write a second form.
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        limit_concurrency=500,
    )
    uvicorn.Server(config).run()


def _forget(tx: Transaction) -> None:
    tx.forget_minutes()
    tx.forget_deliveries()


def _threads(
    stop: threading.Event, runs: Sequence[tuple[str, Callable[[threading.Event], None]]]
) -> list[threading.Thread]:
    return [threading.Thread(target=run, args=(stop,), name=name, daemon=True) for name, run in runs]
