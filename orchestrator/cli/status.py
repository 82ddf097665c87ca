"""`orchestrator status`."""

from __future__ import annotations

import json

import click

from orchestrator.cli import context
from orchestrator.engine.summary import Summary, summarise


@click.command("status")
@click.argument("workflow_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
def command(workflow_id: str, *, as_json: bool) -> None:
    """Show one Workflow with its Works and Tasks."""
    settings = context.start(level="warn")
    with context.open_store(settings) as store:
        summary = store.read(lambda reader: summarise(reader, workflow_id))
    print_summary(summary, as_json=as_json, details=True)


def print_summary(summary: Summary, *, as_json: bool, details: bool = False) -> None:
    """A Workflow on stdout: one JSON object on one line, or words."""
    if as_json:
        click.echo(json.dumps(summary.to_json(details=details)))
    else:
        show(summary)


def show(summary: Summary) -> None:
    """A Workflow for people: state, Works and Tasks, Reports, commits."""
    row = summary.workflow
    reason = f" ({row.pause_reason})" if row.pause_reason else ""
    click.echo(f"{row.workflow}  {row.id}  {row.status}{reason}")
    if row.error:
        click.echo(f"  {'waits' if row.pause_reason else 'error'}: {row.error}")
    for work in summary.works:
        click.echo(f"  {work.sequence}. {work.name:<20} {work.status}")
        for task in summary.tasks_of(work):
            took = f"  {task.duration_ms / 1000:.1f} s" if task.duration_ms is not None else ""
            click.echo(f"       {task.name:<20} {task.status}{took}")
    for report in summary.reports:
        click.echo(f"  report      {report.path}")
    for checkpoint in summary.checkpoints:
        commits = "  ".join(f"{git} {commit[:12]}" for git, commit in checkpoint.commits.items())
        click.echo(f"  checkpoint  {checkpoint.id}  {checkpoint.sequence}. {checkpoint.work}: {commits}")
    usage = summary.usage
    if usage.input_tokens is not None or usage.cost_usd is not None:
        cost = f", {usage.cost_usd} USD" if usage.cost_usd is not None else ""
        click.echo(f"  usage       {usage.input_tokens or 0} tokens in, {usage.output_tokens or 0} out{cost}")
