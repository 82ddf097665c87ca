"""`orchestrator up`."""

from __future__ import annotations

import signal
import threading

import click
import yaml

from orchestrator.cli import context
from orchestrator.engine.files import write_whole
from orchestrator.ops.instance import instance_environment, prepare_instance
from orchestrator.ops.location import location_problems
from orchestrator.ops.processes import LOCATION, System, free_port, programs
from orchestrator.ops.warm import end_parents
from orchestrator.ops.workers import living_workers
from orchestrator.settings import Settings
from orchestrator.store import Store


@click.command("up")
def command() -> None:
    """Run the whole system on this machine: code server, webserver, daemon, operations server. Ctrl-C ends it."""
    settings = context.start()
    with context.open_store(settings, migrate=True) as store:
        _run(settings, store)


def _run(settings: Settings, store: Store) -> None:
    home = prepare_instance(settings)
    code_port = free_port()
    workspace = home / "workspace.yaml"
    server = {"host": "127.0.0.1", "port": code_port, "location_name": LOCATION}
    write_whole(workspace, yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    stop, at_once = threading.Event(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The second one has no more patience.
        signal.signal(number, lambda *_: at_once.set() if stop.is_set() else stop.set())
    system = System(
        programs(settings, workspace=workspace, code_port=code_port),
        environment=instance_environment(settings),
        log_folder=settings.orchestrator_home / "logs",
    )
    try:
        system.start()
        click.echo(f"UI          http://127.0.0.1:{settings.dagster_ui_port}")
        click.echo(f"operations  http://127.0.0.1:{settings.port}/health")
        click.echo(f"logs        {settings.orchestrator_home / 'logs'}")
        for problem in location_problems(settings.dagster_ui_port):
            # It stays up: once the file is mended, "Reload" in the UI takes it.
            click.echo(f"error: {problem}", err=True)
        click.echo("ready; Ctrl-C ends it")
        system.watch(stop)
    finally:
        stop.set()
        system.stop(
            timeout_s=settings.shutdown_timeout_ms / 1000,
            workers=lambda: end_parents(settings) | living_workers(store),
            at_once=at_once,
        )
