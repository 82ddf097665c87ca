"""The run coordinator: whoever launches a workflow's job, from wherever, creates its Workflow here."""

from collections.abc import Mapping
from functools import cached_property

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import RunQueueConfig
from dagster._core.storage.tags import MAX_RETRIES_TAG

from orchestrator.domain import tags
from orchestrator.domain.errors import OrchestratorError
from orchestrator.engine.create import create
from orchestrator.engine.engine import open_settings_store
from orchestrator.engine.resume import accept_resume
from orchestrator.engine.retention.disk import disk_is_critical
from orchestrator.observe.log import get_logger
from orchestrator.settings import Settings, load_settings
from orchestrator.store import Store
from orchestrator_defs.launcher import WarmRunLauncher
from resources.telemetry import start_logging

_log = get_logger(__name__)
_RETRY_TAG = "dagster/is_resume_retry"


class WorkflowRunCoordinator(QueuedRunCoordinator[dg.DagsterInstance]):
    """Dagster's queue, with a Workflow in our store for every run of a workflow's job.

    A run that `resume` launched continues its Workflow, and so does one that re-executes another from its failure; any
    other run is a new one.
    """

    @cached_property
    def _settings(self) -> Settings:
        return load_settings()

    @cached_property
    def _store(self) -> Store:
        start_logging()
        return open_settings_store(load_settings())

    def get_run_queue_config(self) -> RunQueueConfig:
        # Asked anew with each look at the queue: below the critical threshold no Workflow leaves it.
        config = super().get_run_queue_config()
        if not disk_is_critical(self._settings):
            return config
        held = {"key": tags.WORKFLOW_ID_TAG, "limit": 0}
        return config._replace(tag_concurrency_limits=[*config.tag_concurrency_limits, held])

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        run = context.dagster_run
        document = self._document(run)
        if document is not None:
            try:
                self._instance.add_run_tags(run.run_id, self._accept(run, document))
            except OrchestratorError as error:
                # The run exists by now; left NOT_STARTED it would stand in the UI as if it were still to come. Dagster
                # would retry a failed one, to be refused again.
                self._instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
                self._instance.report_run_failed(run, message=str(error))
                raise
            if self._launched_at_once(run):
                return self._reloaded(run)
        return super().submit_run(context)

    def _launched_at_once(self, run: dg.DagsterRun) -> bool:
        """Launch past the queue where a slot is free; only our own launcher can say so."""
        launcher = self._instance.run_launcher
        if not isinstance(launcher, WarmRunLauncher) or disk_is_critical(self._settings):
            return False
        try:
            return launcher.launch_at_once(self._reloaded(run))
        except Exception as error:  # noqa: BLE001 — the queue takes it, and the submission never fails for this
            _log.warning("LaunchFailed", message=f"left to the queue: {error}", run_id=run.run_id, exc_info=error)
            return False

    def _reloaded(self, run: dg.DagsterRun) -> dg.DagsterRun:
        return self._instance.get_run_by_id(run.run_id) or run

    def _accept(self, run: dg.DagsterRun, document: str) -> Mapping[str, str]:
        """Create or continue the Workflow of this run, and say which by tags, over those copied from a parent."""
        continued = run.tags.get(tags.WORKFLOW_ID_TAG)
        resume_id = run.tags.get(tags.RESUME_TAG)
        retries = run.tags.get(_RETRY_TAG) == "true"
        # A re-execution copies its parent's tags: of its own it has no resume id that anybody asked for.
        resumes = resume_id is not None and run.parent_run_id is None
        if continued is not None and (retries or resumes):
            row = accept_resume(
                self._store,
                continued,
                run_id=run.run_id,
                document=document,
                resume_id=resume_id if resumes else None,
            )
        else:
            row = create(
                self._store,
                run_id=run.run_id,
                document=document,
                digest=run.tags[tags.SPEC_DIGEST_TAG],
                inputs=dict(run.run_config),
                # As with resumes: a re-execution has its parent's firing, which is that one's.
                firing_id=run.tags.get(tags.FIRING_TAG) if run.parent_run_id is None else None,
            )
        return {
            tags.WORKFLOW_ID_TAG: row.id,
            tags.CORRELATION_ID_TAG: row.correlation_id,
            tags.SPEC_DIGEST_TAG: row.spec_digest,
            tags.STATUS_TAG: str(row.status),
            **({} if row.trace_id is None else {tags.TRACE_ID_TAG: row.trace_id}),
        }

    def _document(self, run: dg.DagsterRun) -> str | None:
        """The spec that the run's job was built from; None for any other job."""
        if run.job_snapshot_id is None:
            return None
        value = self._instance.get_job_snapshot(run.job_snapshot_id).metadata.get(tags.SPEC_METADATA)
        return None if value is None else str(value.value)
