"""`orchestrator list`."""

from __future__ import annotations

import json

import click

from orchestrator.cli import context
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.summary import summarise


@click.command("list")
@click.option("--status", type=click.Choice([str(status) for status in WorkflowStatus], case_sensitive=False))
@click.option("--workflow", metavar="NAME", help="Only executions of this workflow.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="A JSON array of summaries.")
def command(status: str | None, workflow: str | None, limit: int, *, as_json: bool) -> None:
    """List Workflows, newest first."""
    settings = context.start(level="warn")
    with context.open_store(settings) as store:
        summaries = store.read(
            lambda reader: [
                summarise(reader, row.id)
                for row in reader.workflows(
                    status=WorkflowStatus(status.upper()) if status else None, name=workflow, limit=limit
                )
            ]
        )
    if as_json:
        click.echo(json.dumps([summary.to_json() for summary in summaries]))
        return
    for summary in summaries:
        row = summary.workflow
        click.echo(f"{row.id}  {row.status:<9}  {row.created_at:%Y-%m-%d %H:%M:%S}  {row.workflow}")
    if not summaries:
        click.echo("no workflows yet; `orchestrator run NAME` launches one", err=True)
