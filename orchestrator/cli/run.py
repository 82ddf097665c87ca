"""`orchestrator run`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable

import click

from orchestrator.cli import context, graphql
from orchestrator.cli.status import show
from orchestrator.domain.errors import InputError, LaunchError
from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.domain.states import ENDED, WorkflowStatus
from orchestrator.engine.summary import Summary, summarise
from orchestrator.store import Store

POLL_S = 0.2
_SETTLED = ENDED | {WorkflowStatus.PAUSED}


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
        if local:
            run_id, ok = _run_here(name, texts)
        else:
            run_id, ok = graphql.launch(url or f"http://127.0.0.1:{settings.dagster_ui_port}", name, texts), True
            click.echo(f"launched run {run_id}", err=True)
        workflow_id = workflow_id_of_run(run_id)
        if wait and not local:
            _follow(store, workflow_id)
        summary = store.read(lambda reader: summarise(reader, workflow_id))
    _print(summary, as_json=as_json)
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


def _run_here(name: str, texts: dict[str, str]) -> tuple[str, bool]:
    """Run the same Dagster job in one process; its output goes to stderr, stdout is ours."""
    run_id = str(uuid.uuid4())
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator_defs.local", name, "--run-id", run_id, "--inputs", json.dumps(texts)],
        stdout=sys.stderr.fileno(),
        check=False,
    )
    if ended.returncode == 2:
        raise LaunchError(f'workflow "{name}" was not started; the lines above say why')
    return run_id, ended.returncode == 0


def _follow(store: Store, workflow_id: str) -> None:
    """Print each change of state as it becomes true, until there is none to come."""
    seen: set[str] = set()
    while True:
        summary = store.read(lambda reader: summarise(reader, workflow_id))
        for line in _states(summary):
            if line not in seen:
                seen.add(line)
                click.echo(line, err=True)
        if summary.workflow.status in _SETTLED:
            return
        time.sleep(POLL_S)


def _states(summary: Summary) -> Iterable[str]:
    for work in summary.works:
        for task in summary.tasks_of(work):
            if task.status != "PENDING":
                yield f"  {work.name}/{task.name} {task.status}"
        if work.status not in ("PENDING", "RUNNING"):
            yield f"  {work.name} {work.status}"
    yield f"{summary.workflow.workflow} {summary.workflow.status}"


def _print(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(summary.to_json()))
    else:
        show(summary)
