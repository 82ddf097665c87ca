"""Workflows that go on: after a shutdown, when their time has come, or because somebody asked for it in the UI."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from orchestrator.domain import tags
from orchestrator.domain.states import RequestKind
from orchestrator.engine.control import auto_resume
from orchestrator.engine.ended import crashed
from orchestrator.store import Reader
from orchestrator.store.rows import RequestRow, WorkflowRow
from resources.engine import EngineResource

INTERVAL_S = 5


def resume_sensor(jobs: Sequence[Any]) -> dg.SensorDefinition:
    """The sensor that launches the runs of resumes; `jobs` are those of the workflows."""

    @dg.sensor(
        name="resumes",
        jobs=jobs,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Resumes Workflows: those that `resume_workflow` names, those a shutdown paused (AUTO_RESUME), and "
        "those whose time has come. Fails those whose worker is gone.",
    )
    def resumes(context: dg.SensorEvaluationContext, engine: EngineResource) -> Iterator[Any]:
        store = engine.engine().store
        for workflow_id in crashed(store):
            context.log.warning("%s: its worker is gone", workflow_id)
        auto_resume(store, after_shutdown=engine.engine().settings.auto_resume)
        asked = store.read(_asked)
        if not asked:
            yield dg.SkipReason("no Workflow is to be resumed")
        known = {job.name for job in jobs}
        for request, row in asked:
            if row.workflow not in known:
                context.log.error("%s: no workflow %r any more; put its spec back to resume it", row.id, row.workflow)
                continue
            yield dg.RunRequest(
                # Dagster makes one run of one key, however often this is evaluated.
                run_key=request.id,
                job_name=row.workflow,
                run_config=dict(row.inputs),
                tags={tags.WORKFLOW_ID_TAG: row.id, tags.RESUME_TAG: request.id},
            )

    return resumes


def _asked(reader: Reader) -> list[tuple[RequestRow, WorkflowRow]]:
    """The resumes that nobody has launched a run for yet."""
    requests = [request for request in reader.requests(kind=RequestKind.RESUME) if not request.launched]
    return [(request, reader.workflow(request.workflow_id)) for request in requests]
