"""`orchestrator pause`."""

from __future__ import annotations

import sys

import click

from orchestrator.cli import context
from orchestrator.cli.status import print_summary
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.control import ask_pause, await_rest
from orchestrator.engine.summary import summarise


@click.command("pause")
@click.argument("workflow_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on one line.")
def command(workflow_id: str, *, as_json: bool) -> None:
    """Have the running Workflow ID stop behind its last finished Task, and wait until it has."""
    settings = context.start(level="warn")
    with context.open_store(settings) as store:
        ask_pause(store, workflow_id)
        row = await_rest(store, workflow_id, timeout_s=context.stop_limit_s(settings))
        summary = store.read(lambda reader: summarise(reader, workflow_id))
    print_summary(summary, as_json=as_json)
    if row.status is not WorkflowStatus.PAUSED:
        click.echo(f"error: workflow {workflow_id} was to be paused and is {row.status}", err=True)
        sys.exit(1)
