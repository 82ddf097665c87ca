"""What `run` and `resume` share: the run in a child process, and staying until its Workflow has come to rest."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Mapping

import click

from orchestrator.domain.errors import LaunchError
from orchestrator.domain.states import ENDED, RequestKind, WorkflowStatus
from orchestrator.engine.summary import Summary, summarise
from orchestrator.store import Reader, Store

POLL_S = 0.2
_AT_REST = ENDED | {WorkflowStatus.PAUSED}


def run_here(name: str, *, inputs: Mapping[str, str], run_id: str) -> bool:
    """Run the Dagster job in one process, its output on stderr; whether the Workflow completed."""
    return _local(name, ["--run-id", run_id, "--inputs", json.dumps(dict(inputs))])


def resume_here(name: str, *, workflow_id: str, resume_id: str) -> bool:
    """As `run_here`, going on with a Workflow."""
    return _local(name, ["--run-id", str(uuid.uuid4()), "--resume", workflow_id, "--resume-id", resume_id])


def follow(store: Store, workflow_id: str) -> None:
    """Print each change of state as it becomes true, until there is none to come."""
    seen: set[str] = set()
    while True:
        summary, to_come = store.read(lambda reader: _look(reader, workflow_id))
        for line in _states(summary):
            if line not in seen:
                seen.add(line)
                click.echo(line, err=True)
        if summary.workflow.status in _AT_REST and not to_come:
            return
        time.sleep(POLL_S)


def _local(name: str, arguments: list[str]) -> bool:
    command = [sys.executable, "-m", "orchestrator_defs.local", name, *arguments]
    ended = subprocess.run(command, stdout=sys.stderr.fileno(), check=False)
    if ended.returncode == 2:
        raise LaunchError(f'workflow "{name}" was not started; the lines above say why')
    return ended.returncode == 0


def _look(reader: Reader, workflow_id: str) -> tuple[Summary, bool]:
    """The Workflow, and whether a resume that was asked for has yet to begin."""
    return summarise(reader, workflow_id), bool(reader.requests(workflow_id, kind=RequestKind.RESUME))


def _states(summary: Summary) -> Iterable[str]:
    for work in summary.works:
        for task in summary.tasks_of(work):
            if task.status != "PENDING":
                yield f"  {work.name}/{task.name} {task.status}"
        if work.status not in ("PENDING", "RUNNING"):
            yield f"  {work.name} {work.status}"
    yield f"{summary.workflow.workflow} {summary.workflow.status}"
