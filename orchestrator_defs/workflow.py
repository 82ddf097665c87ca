"""Spec to Dagster: one `@multi_asset` op per Work, one job per workflow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from orchestrator.domain import tags
from orchestrator.spec.load import LoadedSpec
from orchestrator.spec.model import InputSpec, TaskSpec, WorkflowSpec, WorkSpec
from orchestrator_defs import keys
from orchestrator_defs.logger import JSON_LOGGER
from orchestrator_defs.record import record
from resources.engine import EngineResource

OUTLINE_CHECK = "outline"
_CONFIG_TYPES: Mapping[str, Any] = {"string": dg.String, "int": dg.Int, "float": dg.Float, "bool": dg.Bool}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upstream:
    """What a Work builds on: the Checkpoint before it, and the Gits that no Work before it used."""

    checkpoint: dg.AssetKey | None
    gits: tuple[dg.AssetKey, ...]

    @property
    def keys(self) -> tuple[dg.AssetKey, ...]:
        return (*(() if self.checkpoint is None else (self.checkpoint,)), *self.gits)


def build_definitions(loaded: LoadedSpec) -> dg.Definitions:
    """The assets, asset checks and job of one workflow."""
    spec = loaded.spec
    ops = list(_work_ops(loaded))
    own_gits = [
        dg.AssetSpec(
            keys.workflow_git_key(spec.name, name),
            group_name=spec.name,
            kinds={"git"},
            description=f"{git.url} at {git.ref}; filled in from the inputs of each run.",
        )
        for name, git in spec.gits.items()
        if loaded.takes_inputs(name)
    ]
    return dg.Definitions(assets=[*own_gits, *ops], jobs=[_job(loaded, ops)])


def _work_ops(loaded: LoadedSpec) -> Iterator[dg.AssetsDefinition]:
    spec = loaded.spec
    used: set[str] = set()
    before: dg.AssetKey | None = None
    for work in spec.works:
        gits = spec.effective_gits(work)
        fresh = tuple(keys.git_key(loaded, name) for name in gits if name not in used)
        used.update(gits)
        yield _work_op(loaded, work, _Upstream(checkpoint=before, gits=fresh), takes_config=before is None)
        before = keys.checkpoint_key(spec.name, work.name)


def _work_op(loaded: LoadedSpec, work: WorkSpec, upstream: _Upstream, *, takes_config: bool) -> dg.AssetsDefinition:
    spec = loaded.spec
    provider = spec.effective_agent(work).provider_name
    gits = spec.effective_gits(work)
    reports = [_report_spec(spec, work, task, upstream, provider) for task in work.tasks if task.report is not None]
    checkpoint = dg.AssetSpec(
        keys.checkpoint_key(spec.name, work.name),
        deps=[*(report.key for report in reports), *upstream.keys],
        group_name=spec.name,
        kinds={"git", provider},
        description=f"One commit per Git, made when the Work `{work.name}` completes.",
    )
    outline_checks = [
        dg.AssetCheckSpec(OUTLINE_CHECK, asset=report.key, description="The Report has every heading of its outline.")
        for report in reports
    ]
    work_checks = [
        dg.AssetCheckSpec(
            check.name,
            asset=checkpoint.key,
            blocking=check.blocking,
            description=f"`{check.run}` in `{check.git or gits[0]}`",
        )
        for check in work.checks
    ]

    @dg.multi_asset(
        name=keys.op_name(spec.name, work.name),
        specs=[*reports, checkpoint],
        check_specs=[*outline_checks, *work_checks],
        can_subset=False,
        pool=keys.AGENT_POOL,
        config_schema=input_fields(spec) if takes_config else None,
        description=work.description,
    )
    def perform_work(context: dg.AssetExecutionContext, engine: EngineResource) -> Iterator[Any]:
        yield from record(context, engine, loaded=loaded, work=work.name)

    return perform_work


def _report_spec(
    spec: WorkflowSpec, work: WorkSpec, task: TaskSpec, upstream: _Upstream, provider: str
) -> dg.AssetSpec:
    return dg.AssetSpec(
        keys.report_key(spec.name, work.name, task.name),
        deps=list(upstream.keys),
        # A Work that fails later keeps the Reports it has written; one that fails earlier never yields this one.
        skippable=True,
        group_name=spec.name,
        kinds={"markdown", provider},
        description=task.report.title if task.report else None,
    )


def input_fields(spec: WorkflowSpec) -> dict[str, dg.Field]:
    """The inputs as Dagster config fields: typed, described, with their defaults."""
    return {name: _field(declared) for name, declared in spec.inputs.items()}


def _field(declared: InputSpec) -> dg.Field:
    if declared.default is None:
        return dg.Field(_CONFIG_TYPES[declared.type], is_required=True, description=declared.description)
    return dg.Field(
        _CONFIG_TYPES[declared.type],
        is_required=False,
        default_value=declared.default,
        description=declared.description,
    )


def _job(loaded: LoadedSpec, ops: list[dg.AssetsDefinition]) -> Any:
    spec = loaded.spec
    first_op = keys.op_name(spec.name, spec.works[0].name)
    return dg.define_asset_job(
        spec.name,
        selection=dg.AssetSelection.assets(*(key for op in ops for key in op.keys)),
        description=spec.description,
        # The agent is a process of its own; a process per step would cost 2-3 s each and double the ways to die.
        executor_def=dg.in_process_executor,
        # So a run's config is the inputs and nothing else: `{focus: HTTP handlers}`.
        config=dg.ConfigMapping(
            config_schema=input_fields(spec),
            config_fn=lambda inputs: {"ops": {first_op: {"config": inputs}}, "loggers": {JSON_LOGGER: {}}},
        ),
        metadata={tags.SPEC_METADATA: dg.MetadataValue.text(loaded.document)},
        tags={tags.SPEC_DIGEST_TAG: loaded.digest},
    )
