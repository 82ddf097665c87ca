"""`orchestrator resume`."""

from __future__ import annotations

import sys

import click

from orchestrator.cli import context
from orchestrator.cli.launched import follow, resume_here
from orchestrator.cli.status import print_summary
from orchestrator.domain import tags
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.control import ask_resume, take_back_resume
from orchestrator.engine.summary import summarise
from orchestrator.ops import graphql


@click.command("resume")
@click.argument("workflow_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Stay until the Workflow has ended; exit code 0 only if it COMPLETED.")
@click.option("--local", is_flag=True, help="In this process's child, without the running system; waits.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on one line.")
@click.option("--url", metavar="URL", help="The Dagster webserver.  [default: http://127.0.0.1:DAGSTER_UI_PORT]")
def command(workflow_id: str, *, wait: bool, local: bool, as_json: bool, url: str | None) -> None:
    """Go on with the paused or failed Workflow ID behind its last finished Task."""
    settings = context.start(level="warn")
    with context.open_store(settings) as store:
        request = ask_resume(store, workflow_id, launched=True)
        row = store.read(lambda reader: reader.workflow(workflow_id))
        ok = True
        try:
            if local:
                ok = resume_here(row.workflow, workflow_id=workflow_id, resume_id=request.id)
            else:
                marked = {tags.WORKFLOW_ID_TAG: workflow_id, tags.RESUME_TAG: request.id}
                run_id = graphql.resume(url or context.webserver(settings), row.workflow, row.inputs, marked)
                click.echo(f"launched run {run_id}", err=True)
        except OrchestratorError:
            take_back_resume(store, workflow_id)
            raise
        if wait and not local:
            follow(store, workflow_id)
        summary = store.read(lambda reader: summarise(reader, workflow_id))
    print_summary(summary, as_json=as_json)
    if (wait or local) and not (ok and summary.workflow.status is WorkflowStatus.COMPLETED):
        sys.exit(1)
