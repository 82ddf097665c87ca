"""What the engine has git and the agent do for one Workflow, step by step, taken from a real run of it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from bench.world import GIT, World
from orchestrator.domain import ids
from orchestrator.domain.events import Event, EventType
from orchestrator.engine.create import create
from orchestrator.engine.engine import Engine, git_settings
from orchestrator.engine.perform import perform
from orchestrator.engine.plan import load_plan
from orchestrator.engine.query import compose
from orchestrator.git.command import FIXED, Runner
from orchestrator.spec.load import load_spec
from orchestrator.store import open_store

# Fixed, so that the same commands make the same commits when they are played again.
_DATES = {"GIT_AUTHOR_DATE": "@1700000000 +0000", "GIT_COMMITTER_DATE": "@1700000000 +0000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitStep:
    """One git command, as the engine ran it.

    Attributes:
        environment: all of it.
    """

    folder: Path
    environment: Mapping[str, str]
    arguments: tuple[str, ...]
    stdin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStart:
    """The agent of a Work was started."""

    work: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The agent was asked."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStop:
    """The agent was stopped."""


Step = GitStep | AgentStart | Query | AgentStop


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One Workflow, performed by the engine without Dagster.

    Attributes:
        works: their names, in order.
        steps: from the first Work's start to the Checkpoint of the last.
        checkpoint: the last Checkpoint's commit.
    """

    workflow_id: str
    works: tuple[str, ...]
    steps: tuple[Step, ...]
    checkpoint: str

    def moved(self, old: Path, new: Path) -> Recording:
        """The same, for another data folder."""

        def path(text: str) -> str:
            return text.replace(str(old), str(new))

        return replace(self, steps=tuple(_moved(step, path) for step in self.steps))


def _moved(step: Step, path: Callable[[str], str]) -> Step:
    if not isinstance(step, GitStep):
        return step
    environment = {name: path(value) for name, value in step.environment.items()}
    return replace(step, folder=Path(path(str(step.folder))), environment=environment)


def record(world: World, workflow: str) -> Recording:
    """Perform the workflow in the world's data folder and note what happens."""
    loaded = load_spec(world.specs / workflow / "defs.yaml")
    steps: list[Step] = []
    works: dict[str | None, str] = {}
    queries: dict[str | None, str] = {}

    def note(events: Sequence[Event]) -> None:
        for event in events:
            match event.type:
                case EventType.WORK_STARTED if event.context["sequence"] == 1:
                    steps.clear()
                case EventType.AGENT_STARTED:
                    steps.append(AgentStart(work=works[event.work_id]))
                case EventType.QUERY_SENT:
                    steps.append(Query(text=queries[event.task_id]))
                case EventType.AGENT_STOPPED:
                    steps.append(AgentStop())

    store = open_store(world.settings.database_url, announce=note)
    engine = Engine(settings=world.settings, store=store, git=git_settings(world.settings))
    row = create(store, run_id=str(uuid.uuid4()), document=loaded.document, digest=loaded.digest, inputs={})
    _, plan = load_plan(store, row.id)
    for work in plan.works:
        works[ids.work_id(row.id, work.name)] = work.name
        queries |= {ids.task_id(row.id, work.name, task.name): compose(task) for task in work.tasks}
    with _git_noted(steps):
        for work in plan.works:
            for _ in perform(engine, workflow_id=row.id, work=work.name):
                pass
    last = max(store.read(lambda reader: reader.checkpoints(row.id)), key=lambda checkpoint: checkpoint.sequence)
    store.close()
    return Recording(
        workflow_id=row.id,
        works=tuple(works.values()),
        steps=tuple(steps),
        checkpoint=last.commits[GIT],
    )


@contextmanager
def _git_noted(steps: list[Step]) -> Iterator[None]:
    """Every git command of this process also becomes a step."""
    run = Runner.run

    def noted(self: Runner, *arguments: str, stdin: str = "") -> str:
        dated = replace(self, environment={**self.environment, **_DATES})
        environment = {**FIXED, **dated.environment, "PATH": os.environ["PATH"]}
        steps.append(GitStep(folder=self.folder, environment=environment, arguments=arguments, stdin=stdin))
        return run(dated, *arguments, stdin=stdin)

    with patch.object(Runner, "run", noted):
        yield
