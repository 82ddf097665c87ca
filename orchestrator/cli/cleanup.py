"""`orchestrator cleanup`."""

from __future__ import annotations

import json
import sys

import click

from orchestrator.cli import context
from orchestrator.engine.retention.cleanup import clean_up


@click.command("cleanup")
@click.option("--dry-run", is_flag=True, help="Say what would go; nothing does.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
def command(*, dry_run: bool, as_json: bool) -> None:
    """Remove what has had its time: one pass, as the schedule makes it. Exit code 1 where something could not go."""
    settings = context.start(level="warn")
    with context.open_engine(settings) as engine:
        outcome = clean_up(engine, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(outcome.to_json()))
    else:
        if outcome.skipped:
            click.echo(f"skipped: {outcome.skipped}")
        for name, number in outcome.numbers().items():
            click.echo(f"{name.replace('_', ' '):<20} {number}")
    for problem in outcome.problems:
        click.echo(f"error: {problem}", err=True)
    if outcome.problems:
        sys.exit(1)
