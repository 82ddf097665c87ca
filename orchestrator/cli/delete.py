"""`orchestrator delete`."""

from __future__ import annotations

import json

import click

from orchestrator.cli import context
from orchestrator.engine.delete import delete


@click.command("delete")
@click.argument("workflow_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
def command(workflow_id: str, *, as_json: bool) -> None:
    """Remove the Workflow ID with its trees, Reports and Checkpoints. Unsaved work stays on rescue refs for a while."""
    settings = context.start(level="warn")
    with context.open_engine(settings) as engine:
        delete(engine, workflow_id=workflow_id)
    click.echo(json.dumps({"workflow_id": workflow_id, "deleted": True}) if as_json else f"deleted {workflow_id}")
