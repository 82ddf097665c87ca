"""Runs one Work through the engine and records in Dagster what it yields. Decides nothing."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import dagster as dg
from dagster._core.storage.tags import MAX_RETRIES_TAG

from orchestrator.domain import tags
from orchestrator.domain.checkpoints import Checkpoint, commits_digest
from orchestrator.domain.errors import Cancelled, NotFound, OrchestratorError, Paused, WorkStopped
from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.domain.states import PauseReason
from orchestrator.engine.create import create
from orchestrator.engine.engine import Engine
from orchestrator.engine.facts import BaseCommits, CheckResult, WrittenReport
from orchestrator.engine.performance import Performance
from orchestrator.observe.log import mask_text
from orchestrator.spec.load import LoadedSpec
from orchestrator_defs import keys
from resources.engine import EngineResource

# The event log is a database row a Report; a longer one is read from its file.
MARKDOWN_LIMIT = 100_000


def record(
    context: dg.AssetExecutionContext, resource: EngineResource, *, loaded: LoadedSpec, work: str
) -> Iterator[Any]:
    """Perform one Work of this run's Workflow, yielding materializations and check results as they come true."""
    engine = resource.engine()
    try:
        workflow_id = _workflow_id(context, engine, loaded)
    except OrchestratorError as error:
        raise _failure(error) from None
    try:
        with Performance(engine, workflow_id=workflow_id, work=work) as performance:
            try:
                yield from _recorded(context, loaded, work, performance)
            except (dg.DagsterExecutionInterruptedError, GeneratorExit):
                # The signal's exception hits Dagster's own code as well as ours: then our generator is closed.
                performance.stop(_why(context))
                _end_as_canceled(context)
                raise
    except WorkStopped as why:
        context.log.warning(mask_text(str(why)))
        _end_as_canceled(context)
        raise dg.DagsterExecutionInterruptedError from None
    except Exception as error:  # noqa: BLE001 — raised again, in words that may be shown
        raise _failure(error) from None
    finally:
        status = engine.store.read(lambda reader: reader.workflow(workflow_id)).status
        context.instance.add_run_tags(context.run.run_id, {tags.STATUS_TAG: str(status)})


def _recorded(
    context: dg.AssetExecutionContext, loaded: LoadedSpec, work: str, performance: Performance
) -> Iterator[Any]:
    # A Workflow keeps the Tasks and checks it was created with; what the current spec no longer has, has no place here.
    known = context.selected_asset_keys
    checks = {key.name for key in context.selected_asset_check_keys}
    workflow = loaded.spec.name
    for fact in performance:
        match fact:
            case BaseCommits():
                _observe_gits(context, loaded, fact)
            case WrittenReport() if keys.report_key(workflow, work, fact.task) in known:
                yield _report(workflow, fact)
            case CheckResult() if fact.name in checks:
                yield _check(workflow, work, fact)
            case Checkpoint():
                yield _checkpoint(workflow, fact)


def _why(context: dg.AssetExecutionContext) -> WorkStopped:
    """Why this worker was interrupted: only a run that somebody terminates is CANCELING."""
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and run.status is dg.DagsterRunStatus.CANCELING:
        return Cancelled("its run was terminated")
    return Paused("its worker was told to stop", reason=PauseReason.SHUTDOWN)


def _end_as_canceled(context: dg.AssetExecutionContext) -> None:
    """Have the run end CANCELED and not be retried: to go on is the business of `resume` alone."""
    context.instance.add_run_tags(context.run.run_id, {MAX_RETRIES_TAG: "0"})
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and run.status is not dg.DagsterRunStatus.CANCELING:
        context.instance.report_run_canceling(run)


def _failure(error: Exception) -> dg.Failure:
    """The error as Dagster may show it. Raise it `from None`: the event log shows an error's whole chain, and nothing
    may stand there unmasked; the stack is in our log. No retries: the engine has used up the spec's already."""
    words = str(error) if isinstance(error, OrchestratorError) else f"{type(error).__name__}: {error}"
    return dg.Failure(mask_text(words), allow_retries=False)


def _workflow_id(context: dg.AssetExecutionContext, engine: Engine, loaded: LoadedSpec) -> str:
    """The Workflow that this run continues or is; for a run that met no coordinator of ours its first op creates it."""
    tagged = context.run.tags.get(tags.WORKFLOW_ID_TAG)
    if tagged is not None:
        return tagged
    run_id = context.run.run_id
    with suppress(NotFound):
        return engine.store.read(lambda reader: reader.workflow(workflow_id_of_run(run_id))).id
    config = context.op_execution_context.op_config or {}
    return create(engine.store, run_id=run_id, document=loaded.document, digest=loaded.digest, inputs=dict(config)).id


def _observe_gits(context: dg.AssetExecutionContext, loaded: LoadedSpec, base: BaseCommits) -> None:
    for name, commit in base.commits.items():
        # A Git whose url takes inputs is another repository in each run: no version of it makes a Report out of date.
        version = {} if loaded.takes_inputs(name) else {"dagster/data_version": commit}
        context.log_event(dg.AssetObservation(keys.git_key(loaded, name), metadata={"commit": commit}, tags=version))
    # Dagster read its inputs' versions before this op began; without another look every Report made from a new commit
    # would be shown as out of date at once.
    context.op_execution_context.get_step_execution_context().fetch_external_input_asset_version_info()


def _report(workflow: str, report: WrittenReport) -> dg.MaterializeResult[Any]:
    # The Report's file is the agent's own words; what Dagster keeps of it may be seen by whoever sees the UI.
    body = mask_text(report.body)
    shown = body if len(body) <= MARKDOWN_LIMIT else body[:MARKDOWN_LIMIT] + "\n\n*(cut)*"
    metadata: dict[str, Any] = {
        "report": dg.MetadataValue.md(shown),
        "path": dg.MetadataValue.path(str(report.path)),
        "outline": dg.MetadataValue.json([mask_text(heading) for heading in report.outline]),
        "workflow_id": report.workflow_id,
        "seconds": report.duration_ms / 1000,
        # What a provider does not report stays away; a zero would be a lie that the UI plots.
        **{
            name: value
            for name, value in (
                ("input_tokens", report.input_tokens),
                ("output_tokens", report.output_tokens),
                ("cost_usd", None if report.cost_usd is None else float(report.cost_usd)),
            )
            if value is not None
        },
    }
    key = keys.report_key(workflow, report.work, report.task)
    outline = dg.AssetCheckResult(
        check_name="outline",
        asset_key=key,
        passed=not report.missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"missing": list(report.missing)},
    )
    return dg.MaterializeResult(
        key, metadata=metadata, check_results=[outline], data_version=dg.DataVersion(report.digest)
    )


def _check(workflow: str, work: str, check: CheckResult) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=keys.checkpoint_key(workflow, work),
        passed=check.passed,
        metadata={
            "exit_code": check.exit_code if check.exit_code is not None else "timed out",
            "output": dg.MetadataValue.md(f"```text\n{check.output.replace('```', '` ` `')}\n```"),
            "seconds": check.duration_ms / 1000,
        },
    )


def _checkpoint(workflow: str, checkpoint: Checkpoint) -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(
        keys.checkpoint_key(workflow, checkpoint.work),
        metadata={
            "checkpoint_id": checkpoint.id,
            "workflow_id": checkpoint.workflow_id,
            "sequence": checkpoint.sequence,
            **{f"commit/{git}": commit for git, commit in checkpoint.commits.items()},
        },
        data_version=dg.DataVersion(commits_digest(checkpoint.commits)),
    )
