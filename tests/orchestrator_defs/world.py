"""A workflow over real repositories, its Dagster instance as `orchestrator up` configures it, and its store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator import SubmitRunContext

from orchestrator.domain import tags
from orchestrator.domain.events import Event
from orchestrator.spec.load import LoadedSpec, load_spec
from orchestrator.store import Store
from orchestrator_defs.gits import git_assets
from orchestrator_defs.logger import JSON_LOGGER, json_logger
from orchestrator_defs.workflow import build_definitions
from resources.engine import EngineResource
from resources.git import GitResource
from tests.orchestrator.git.repository import Repository

# Two Works over two Gits; `api` and `web` stand beside the spec's folder.
SHIP = """\
type: orchestrator_defs.Workflow
attributes:
  name: ship
  inputs:
    focus: {type: string, description: What to look at}
    depth: {type: int, default: 3, description: How far}
  gits:
    api: {url: ../api, ref: main}
    web: {url: ../web, ref: main}
  agent: {provider: builtin}
  works:
    - name: diagnose
      gits: [api]
      tasks:
        - name: survey
          query: |
            Look at {{ inputs.focus }}.
            ```sh
            printf '# Survey\\n\\n## Findings\\n\\n%s\\n' "$ORCHESTRATOR_INPUT_FOCUS"
            echo "$ORCHESTRATOR_INPUT_FOCUS" > api/focus.txt
            ```
          report: {title: Survey, outline: [Findings]}
    - name: fix
      gits: [api, web]
      tasks:
        - name: patch
          query: |
            ```sh
            printf '# Patch\\n\\n## Changes\\n\\nnone\\n'
            ```
          report: {title: Patch, outline: [Changes]}
      checks:
        - {name: tests, run: "true", git: web}
"""
CHECK = '{name: tests, run: "true", git: web}'


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything lies below `folder`."""

    folder: Path
    instance: dg.DagsterInstance
    store: Store
    api: Repository

    def spec(self, text: str = SHIP, *, folder: str = "ship") -> LoadedSpec:
        """The spec, written to `<folder>/defs.yaml` and loaded."""
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        (place / "defs.yaml").write_text(text)
        return load_spec(place / "defs.yaml")

    def definitions(self, *specs: LoadedSpec) -> dg.Definitions:
        """What the code location makes of these specs."""
        return dg.Definitions.merge(
            *(build_definitions(loaded) for loaded in specs),
            dg.Definitions(
                assets=git_assets(specs),
                resources={"engine": EngineResource(), "git": GitResource()},
                loggers={JSON_LOGGER: json_logger},
            ),
        )

    def job(self, text: str = SHIP) -> dg.JobDefinition:
        """The job of one spec, by itself."""
        loaded = self.spec(text)
        return self.definitions(loaded).resolve_job_def(loaded.spec.name)

    def execute(self, job: dg.JobDefinition, *, workflow_id: str | None = None) -> dg.ExecuteInProcessResult:
        """The run in this process; a failure is a result."""
        return job.execute_in_process(
            run_config={"focus": "handlers"},
            instance=self.instance,
            tags={} if workflow_id is None else {tags.WORKFLOW_ID_TAG: workflow_id},
            raise_on_error=False,
        )

    def submit(
        self, job: dg.JobDefinition, *, inputs: Mapping[str, Any], tags: Mapping[str, str] | None = None
    ) -> dg.DagsterRun:
        """The run as it stands in the instance after the coordinator took it."""
        location = RegisteredCodeLocationOrigin("orchestrator")
        run = self.instance.create_run_for_job(
            job,
            run_config=inputs,
            tags={**job.tags, **(tags or {})},
            remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job.name),
        )
        # The coordinator queues; whoever takes from the queue needs the workspace.
        self.instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]
        return self.stored(run)

    def stored(self, run: dg.DagsterRun) -> dg.DagsterRun:
        """The run as the instance has it now."""
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found

    def events(self) -> list[Event]:
        """Every event of the store, in order."""
        return list(self.store.read(lambda reader: reader.events(limit=10_000)))
