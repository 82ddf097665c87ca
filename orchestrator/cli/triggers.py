"""`orchestrator triggers`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from orchestrator.cli import context
from orchestrator.domain.cron import next_time
from orchestrator.engine.specs import load_specs, spec_folders
from orchestrator.mcp.registry import registered_servers
from orchestrator.spec.model import TriggerSpec
from orchestrator.store import Reader
from orchestrator.store.firing_rows import FiringRow


@click.command("triggers")
@click.option("--workflow", metavar="NAME", help="Only those of this workflow.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array.")
def command(workflow: str | None, *, as_json: bool) -> None:
    """List what starts workflows by itself, with last and next firing."""
    settings = context.start(level="warn")
    specs = [loaded.spec for loaded in load_specs(spec_folders(settings), registered_mcp=registered_servers(settings))]
    with context.open_store(settings) as store:

        def read(reader: Reader) -> list[dict[str, Any]]:
            return [
                _row(spec.name, name, trigger, reader)
                for spec in specs
                if workflow in (None, spec.name)
                for name, trigger in spec.named_triggers().items()
            ]

        rows = store.read(read)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        last = row["last"]
        said = f"{last['fired_at']} {last['status']}: {last['reason']}" if last else "never"
        click.echo(f"{row['workflow']}/{row['trigger']}  {row['when']}  overlap {row['overlap']}")
        click.echo(f"    last {said}")
        if row["next"]:
            click.echo(f"    next {row['next']}")
        if row["waiting"]:
            click.echo(f"    {row['waiting']} waiting")
    if not rows:
        click.echo("no triggers; a spec has them under `triggers`", err=True)


def _row(workflow: str, name: str, trigger: TriggerSpec, reader: Reader) -> dict[str, Any]:
    last = reader.last_firing(workflow, name)
    return {
        "workflow": workflow,
        "trigger": name,
        "kind": trigger.kind,
        "when": _when(trigger),
        "overlap": str(trigger.overlap),
        "last": None if last is None else _firing(last),
        "next": _next(trigger),
        "waiting": len(reader.waiting_firings(workflow, name)),
    }


def _firing(firing: FiringRow) -> dict[str, Any]:
    return {
        "id": firing.id,
        "fired_at": firing.fired_at.isoformat(),
        "status": str(firing.status),
        "reason": firing.reason,
        "run_id": firing.run_id,
        "workflow_id": firing.workflow_id,
    }


def _when(trigger: TriggerSpec) -> str:
    if trigger.git_push is not None:
        return f"git_push {trigger.git_push.git} {trigger.git_push.ref or ''}".rstrip()
    if trigger.webhook is not None:
        return f"webhook {trigger.webhook.source} {trigger.webhook.event or 'any event'}"
    if trigger.event is not None:
        return f"event {trigger.event.type} of {trigger.event.workflow or 'any workflow'}"
    return f"schedule {trigger.schedule} {trigger.timezone}"


def _next(trigger: TriggerSpec) -> str | None:
    """When a schedule is due next, in its own zone; nothing else says beforehand."""
    if trigger.schedule is None:
        return None
    return next_time(trigger.schedule, datetime.now(UTC).astimezone(ZoneInfo(trigger.timezone))).isoformat()
