"""`orchestrator serve`."""

from __future__ import annotations

import click

from orchestrator.cli import context


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
def command(host: str) -> None:
    """Run the operations server: health, metrics, and the relay that hands events to their handlers."""
    from orchestrator.engine.engine import start_settings_tracing
    from orchestrator.ops.server import serve

    settings = context.start()
    start_settings_tracing(settings)
    with context.open_store(settings, migrate=True) as store:
        serve(settings, store, host=host)
