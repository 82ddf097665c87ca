"""`orchestrator cancel`."""

from __future__ import annotations

import sys
from contextlib import suppress

import click

from orchestrator.cli import context
from orchestrator.cli.status import print_summary
from orchestrator.domain.errors import LaunchError
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.control import ask_cancel, await_rest
from orchestrator.engine.summary import summarise
from orchestrator.ops import graphql


@click.command("cancel")
@click.argument("workflow_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on one line.")
@click.option("--url", metavar="URL", help="The Dagster webserver.  [default: http://127.0.0.1:DAGSTER_UI_PORT]")
def command(workflow_id: str, *, as_json: bool, url: str | None) -> None:
    """End the Workflow ID for good; its commits and Reports stay."""
    settings = context.start(level="warn")
    with context.open_store(settings) as store:
        waited = store.read(lambda reader: reader.workflow(workflow_id))
        ask_cancel(store, workflow_id)
        row = await_rest(store, workflow_id, timeout_s=context.stop_limit_s(settings))
        if waited.status is WorkflowStatus.CREATED and waited.run_id is not None:
            # Its run waits in Dagster's queue; where nobody answers, the run ends by itself when its turn comes.
            with suppress(LaunchError):
                graphql.terminate(url or context.webserver(settings), waited.run_id)
        summary = store.read(lambda reader: summarise(reader, workflow_id))
    print_summary(summary, as_json=as_json)
    if row.status is not WorkflowStatus.CANCELLED:
        click.echo(f"error: workflow {workflow_id} was to be cancelled and is {row.status}", err=True)
        sys.exit(1)
