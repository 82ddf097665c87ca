"""`orchestrator events`."""

from __future__ import annotations

import json

import click

from orchestrator.cli import context
from orchestrator.domain.errors import NotFound


@click.group("events")
def command() -> None:
    """Show events that a handler gave up on, and have them handed over again."""


@command.command("dead")
@click.option("--json", "as_json", is_flag=True, help="A JSON array.")
def dead(*, as_json: bool) -> None:
    """List the events that a handler gave up on, oldest first."""
    settings = context.start(level="warn")
    with context.open_store(settings) as store:
        found = store.read(lambda reader: [(letter, reader.event(letter.event_id)) for letter in reader.dead_letters()])
    if as_json:
        rows = [
            {
                "id": letter.id,
                "handler": letter.handler,
                "event_id": event.id,
                "type": str(event.type),
                "workflow_id": event.workflow_id,
                "correlation_id": event.correlation_id,
                "error": letter.error,
                "attempts": letter.attempts,
                "failed_at": letter.failed_at.isoformat(),
                "retry_asked": letter.retry_asked_at is not None,
            }
            for letter, event in found
        ]
        click.echo(json.dumps(rows))
        return
    for letter, event in found:
        asked = "  (to be tried again)" if letter.retry_asked_at else ""
        click.echo(f"{letter.id}  {letter.failed_at:%Y-%m-%d %H:%M:%S}  {letter.handler}  {event.type}{asked}")
        click.echo(f"    {letter.error}")
    if not found:
        click.echo("no dead letters", err=True)


@command.command("retry")
@click.argument("letter_id", metavar="ID", required=False)
@click.option("--all", "every", is_flag=True, help="All of them.")
def retry(letter_id: str | None, *, every: bool) -> None:
    """Have the dead letter ID handed to its handler again, by the running operations server."""
    if (letter_id is None) is not every:
        raise click.UsageError("give one ID, or --all")
    settings = context.start(level="warn")
    with context.open_store(settings) as store:
        asked = store.write(lambda tx: tx.ask_retry(letter_id))
    if letter_id is not None and not asked:
        raise NotFound(kind="dead letter", id=letter_id)
    click.echo(f"{asked} to be tried again; `orchestrator events dead` shows what fails once more", err=True)
