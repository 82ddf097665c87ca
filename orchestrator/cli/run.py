"""`orchestrator run`."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable

import click

from orchestrator.cli import context
from orchestrator.cli.launched import follow, run_here
from orchestrator.cli.status import print_summary
from orchestrator.domain.errors import InputError
from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.summary import summarise
from orchestrator.ops import graphql


@click.command("run")
@click.argument("name")
@click.option("--input", "pairs", metavar="K=V", multiple=True, help="An input of the workflow; may be repeated.")
@click.option("--wait", is_flag=True, help="Stay until the Workflow has ended; exit code 0 only if it COMPLETED.")
@click.option("--local", is_flag=True, help="In this process's child, without the running system; waits.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on one line.")
@click.option("--url", metavar="URL", help="The Dagster webserver.  [default: http://127.0.0.1:DAGSTER_UI_PORT]")
def command(name: str, pairs: tuple[str, ...], *, wait: bool, local: bool, as_json: bool, url: str | None) -> None:
    """Launch the workflow NAME."""
    settings = context.start(level="warn")
    texts = parse_pairs(pairs)
    with context.open_store(settings, migrate=local) as store:
        ok = True
        if local:
            run_id = str(uuid.uuid4())
            ok = run_here(name, inputs=texts, run_id=run_id)
        else:
            run_id = graphql.launch(url or context.webserver(settings), name, texts)
            click.echo(f"launched run {run_id}", err=True)
        workflow_id = workflow_id_of_run(run_id)
        if wait and not local:
            follow(store, workflow_id)
        summary = store.read(lambda reader: summarise(reader, workflow_id))
    print_summary(summary, as_json=as_json)
    finished = summary.workflow.status is WorkflowStatus.COMPLETED
    if (wait or local) and not (finished and ok):
        sys.exit(1)


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """`k=v` words to a mapping; the values stay text until the spec says what they are."""
    texts: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--input {pair!r}: expected NAME=VALUE")
        if name in texts:
            raise InputError(f'input "{name}" is given twice')
        texts[name] = value
    return texts
