"""A small world for the engine: real repositories, a real store, the built-in agent, specs written in the test."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.domain.checkpoints import Checkpoint
from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.engine.create import create
from orchestrator.engine.engine import Engine, open_engine
from orchestrator.engine.facts import BaseCommits, CheckResult, Fact, WrittenReport
from orchestrator.engine.perform import perform
from orchestrator.settings import load_settings, prepare_folders
from orchestrator.spec.load import LoadedSpec, load_spec
from orchestrator.store.rows import WorkflowRow


def git(path: Path, *arguments: str) -> str:
    """What a git command prints, run as a person would run it."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    ended = subprocess.run(["git", *identity, *arguments], cwd=path, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def repository(path: Path, files: dict[str, str]) -> Path:
    """A repository with one commit on `main`."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "Start")
    return path


@dataclass(frozen=True, kw_only=True)
class World:
    """One engine on SQLite, with two repositories to work on."""

    home: Path
    engine: Engine
    api: Path
    web: Path
    launched: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, home: Path, **environment: str) -> World:
        """Settings as `environment` says, on defaults below `home`."""
        settings = load_settings({"ORCHESTRATOR_HOME": str(home / "data"), "LOG_LEVEL": "debug", **environment})
        prepare_folders(settings)
        engine = open_engine(settings)
        engine.store.migrate()
        api = repository(home / "api", {"README.md": "# api\n"})
        web = repository(home / "web", {"README.md": "# web\n"})
        return cls(home=home, engine=engine, api=api, web=web)

    def spec(
        self, works: list[dict[str, Any]], *, registered_mcp: Collection[str] = (), **attributes: Any
    ) -> LoadedSpec:
        """The spec of a workflow over both repositories, agent built-in, as loaded from its file."""
        gits = {"api": {"url": str(self.api)}, "web": {"url": str(self.web)}}
        whole = {"name": "ship", "gits": gits, "agent": {"provider": "builtin"}, "works": works, **attributes}
        folder = self.home / "specs" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        file = folder / "defs.yaml"
        file.write_text(yaml.safe_dump({"type": "orchestrator_defs.Workflow", "attributes": whole}, sort_keys=False))
        return load_spec(file, registered_mcp=registered_mcp)

    def create(self, loaded: LoadedSpec, **inputs: Any) -> str:
        """Accept a launch and return the Workflow's id."""
        run_id = str(uuid.uuid4())
        create(self.engine.store, run_id=run_id, document=loaded.document, digest=loaded.digest, inputs=inputs)
        return workflow_id_of_run(run_id)

    def perform(self, workflow_id: str, *works: str) -> Facts:
        """Perform Works one after another and return all that they yielded."""
        return Facts([fact for work in works for fact in perform(self.engine, workflow_id=workflow_id, work=work)])

    def workflow(self, workflow_id: str) -> WorkflowRow:
        """The Workflow's row."""
        return self.engine.store.read(lambda reader: reader.workflow(workflow_id))

    def events(self, workflow_id: str) -> list[str]:
        """The types of the Workflow's events, in order."""
        return [str(event.type) for event in self.engine.store.read(lambda reader: reader.events(workflow_id))]

    def tree(self, workflow_id: str, name: str) -> Path:
        """A WorkTree's folder."""
        return self.engine.git.worktree_root / workflow_id / name

    def mirror_of(self, workflow_id: str, name: str) -> Path:
        """The bare repository that a WorkTree belongs to."""
        return Path(git(self.tree(workflow_id, name), "rev-parse", "--path-format=absolute", "--git-common-dir"))

    def folder(self, workflow_id: str) -> Path:
        """Where the Workflow's files lie."""
        return self.engine.settings.workflow_root_path / workflow_id


@dataclass(frozen=True)
class Facts:
    """What Works yielded, by kind."""

    all: list[Fact]

    @property
    def base(self) -> list[BaseCommits]:
        return [fact for fact in self.all if isinstance(fact, BaseCommits)]

    @property
    def reports(self) -> list[WrittenReport]:
        return [fact for fact in self.all if isinstance(fact, WrittenReport)]

    @property
    def checks(self) -> list[CheckResult]:
        return [fact for fact in self.all if isinstance(fact, CheckResult)]

    @property
    def checkpoints(self) -> list[Checkpoint]:
        return [fact for fact in self.all if isinstance(fact, Checkpoint)]


def sh(*lines: str) -> str:
    """A query that has the built-in agent run these lines."""
    return "\n".join(["```sh", *lines, "```"])


def work(name: str, *tasks: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A Work of a spec."""
    return {"name": name, "tasks": list(tasks), **keys}


def task(name: str, *lines: str, **keys: Any) -> dict[str, Any]:
    """A Task whose query runs these shell lines."""
    return {"name": name, "query": sh(*lines), **keys}


def opened(home: Path, **environment: str) -> Iterator[World]:
    """A World that is closed afterwards."""
    world = World.make(home, **environment)
    yield world
    world.engine.store.close()
