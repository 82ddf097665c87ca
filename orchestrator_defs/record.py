"""Runs one Work through the engine and records in Dagster what it yields. Decides nothing."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import dagster as dg

from orchestrator.domain import tags
from orchestrator.domain.checkpoints import Checkpoint, commits_digest
from orchestrator.domain.errors import NotFound, OrchestratorError
from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.engine.create import create
from orchestrator.engine.engine import Engine
from orchestrator.engine.facts import BaseCommits, CheckResult, WrittenReport
from orchestrator.engine.interrupt import interrupt
from orchestrator.engine.perform import perform
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
    workflow = loaded.spec.name
    try:
        for fact in perform(engine, workflow_id=workflow_id, work=work):
            match fact:
                case BaseCommits():
                    _observe_gits(context, loaded, fact)
                case WrittenReport():
                    yield _report(workflow, fact)
                case CheckResult():
                    yield _check(workflow, work, fact)
                case Checkpoint():
                    yield _checkpoint(workflow, fact)
    except dg.DagsterExecutionInterruptedError:
        run = context.instance.get_run_by_id(context.run.run_id)
        # Only a run that somebody terminates is CANCELING; otherwise the worker itself was told to go.
        terminated = run is not None and run.status is dg.DagsterRunStatus.CANCELING
        interrupt(engine, workflow_id=workflow_id, terminated=terminated)
        raise
    except Exception as error:  # noqa: BLE001 — raised again, in words that may be shown
        raise _failure(error) from None
    finally:
        status = engine.store.read(lambda reader: reader.workflow(workflow_id)).status
        context.instance.add_run_tags(context.run.run_id, {tags.STATUS_TAG: str(status)})


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
