"""`orchestrator restore-reports`."""

from __future__ import annotations

import json

import click

from orchestrator.cli import context
from orchestrator.engine.retention.reports import restore_reports
from orchestrator.engine.workspace import REPORTS, workflow_folder


@click.command("restore-reports")
@click.argument("workflow_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
def command(workflow_id: str, *, as_json: bool) -> None:
    """Put the archived Reports of the Workflow ID back where they were; the archive stays."""
    settings = context.start(level="warn")
    with context.open_engine(settings) as engine:
        contents = restore_reports(engine, workflow_id)
    folder = workflow_folder(settings.workflow_root_path, workflow_id) / REPORTS
    if as_json:
        said = {"workflow_id": workflow_id, "path": str(folder), "files": contents.files, "bytes": contents.bytes}
        click.echo(json.dumps(said))
    else:
        click.echo(f"restored {contents.files} files to {folder}")
