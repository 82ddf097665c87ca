"""`orchestrator logs`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from orchestrator.agents import Line, read_transcript
from orchestrator.cli import context
from orchestrator.domain.states import ENDED, WorkflowStatus
from orchestrator.engine.summary import Summary, summarise
from orchestrator.engine.workspace import transcript_path
from orchestrator.store import Store

POLL_S = 0.3
_AT_REST = ENDED | {WorkflowStatus.PAUSED}


@click.command("logs")
@click.argument("workflow_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the Workflow has come to rest.")
@click.option("--work", metavar="WORK", help="Only of this Work.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with work and task.")
def command(workflow_id: str, *, follow: bool, work: str | None, as_json: bool) -> None:
    """Print what the agents of the Workflow ID said and did, Task by Task."""
    settings = context.start(level="warn")
    with context.open_store(settings) as store:
        reading = _Reading(settings.workflow_root_path, workflow_id, work)
        for task, line in _lines(store, reading, follow=follow):
            click.echo(json.dumps({"task": task, **asdict(line)}) if as_json else f"{task}  {line}")


@dataclass(slots=True, kw_only=False)
class _Reading:
    """How far each transcript was read."""

    root: Path
    workflow_id: str
    work: str | None
    offsets: dict[str, int] = field(default_factory=dict)

    def new_lines(self, summary: Summary) -> Iterator[tuple[str, Line]]:
        for work in summary.works:
            if self.work not in (None, work.name):
                continue
            for task in summary.tasks_of(work):
                name = f"{work.name}/{task.name}"
                path = transcript_path(self.root, self.workflow_id, work.name, task.name)
                lines, self.offsets[name] = read_transcript(path, offset=self.offsets.get(name, 0))
                yield from ((name, line) for line in lines)


def _lines(store: Store, reading: _Reading, *, follow: bool) -> Iterator[tuple[str, Line]]:
    while True:
        summary = store.read(lambda reader: summarise(reader, reading.workflow_id))
        at_rest = summary.workflow.status in _AT_REST
        yield from reading.new_lines(summary)
        if at_rest or not follow:
            return
        time.sleep(POLL_S)
