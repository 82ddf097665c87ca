"""`orchestrator rollback`."""

from __future__ import annotations

import click

from orchestrator.cli import context
from orchestrator.cli.status import print_summary
from orchestrator.engine.rollback import roll_back
from orchestrator.engine.summary import summarise


@click.command("rollback")
@click.argument("workflow_id", metavar="ID")
@click.argument("checkpoint_id", metavar="CHECKPOINT")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on one line.")
def command(workflow_id: str, checkpoint_id: str, *, as_json: bool) -> None:
    """Put the Workflow ID back to where it stood at CHECKPOINT; `orchestrator status ID` lists those it has."""
    settings = context.start(level="warn")
    with context.open_engine(settings) as engine:
        roll_back(engine, workflow_id=workflow_id, checkpoint_id=checkpoint_id)
        summary = engine.store.read(lambda reader: summarise(reader, workflow_id))
    print_summary(summary, as_json=as_json)
