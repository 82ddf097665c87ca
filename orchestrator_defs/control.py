"""The control jobs: what the command line asks of a Workflow, for the UI and GraphQL."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.control import ask_cancel, ask_pause, ask_resume, await_rest
from orchestrator.engine.delete import delete
from orchestrator.engine.engine import Engine
from orchestrator.engine.rollback import roll_back
from orchestrator.observe.log import mask_text
from orchestrator_defs.logger import JSON_LOGGER, json_logger
from resources.engine import EngineResource

_WORKFLOW_ID = dg.Field(dg.String, description="`wf-…`, as the run's tag and `orchestrator list` show it.")
_CHECKPOINT_ID = dg.Field(dg.String, description="`cp-…`, as the Checkpoint asset's metadata shows it.")
# Beside the agent's own time to stop: to see the request, and to write down what came of it.
_MARGIN_S = 30


def _pause(engine: Engine, config: dict[str, Any]) -> str:
    ask_pause(engine.store, config["workflow_id"])
    return _rest(engine, config["workflow_id"], wanted=WorkflowStatus.PAUSED)


def _resume(engine: Engine, config: dict[str, Any]) -> str:
    ask_resume(engine.store, config["workflow_id"])
    return f"workflow {config['workflow_id']} is resumed by the sensor `resumes` at its next look"


def _cancel(engine: Engine, config: dict[str, Any]) -> str:
    ask_cancel(engine.store, config["workflow_id"])
    return _rest(engine, config["workflow_id"], wanted=WorkflowStatus.CANCELLED)


def _roll_back(engine: Engine, config: dict[str, Any]) -> str:
    roll_back(engine, workflow_id=config["workflow_id"], checkpoint_id=config["checkpoint_id"])
    return f"workflow {config['workflow_id']} is PAUSED at checkpoint {config['checkpoint_id']}"


def _delete(engine: Engine, config: dict[str, Any]) -> str:
    delete(engine, workflow_id=config["workflow_id"])
    return f"workflow {config['workflow_id']} is deleted"


def _rest(engine: Engine, workflow_id: str, *, wanted: WorkflowStatus) -> str:
    limit_s = engine.settings.agent_stop_timeout_ms / 1000 + _MARGIN_S
    status = await_rest(engine.store, workflow_id, timeout_s=limit_s).status
    if status is not wanted:
        raise dg.Failure(f"workflow {workflow_id} was to become {wanted} and is {status}", allow_retries=False)
    return f"workflow {workflow_id} is {status}"


def _control(
    name: str, act: Callable[[Engine, dict[str, Any]], str], *, description: str, **fields: dg.Field
) -> dg.JobDefinition:
    """A job of one op that takes the fields as its whole config."""

    @dg.op(name=name.removesuffix("_workflow"), config_schema=fields, description=description)
    def control(context: dg.OpExecutionContext, engine: EngineResource) -> None:
        try:
            context.log.info(act(engine.engine(), context.op_config))
        except OrchestratorError as error:
            raise dg.Failure(mask_text(str(error)), allow_retries=False) from None

    @dg.job(
        name=name,
        description=description,
        executor_def=dg.in_process_executor,
        logger_defs={JSON_LOGGER: json_logger},
        config=dg.ConfigMapping(
            config_schema=fields,
            config_fn=lambda given: {"ops": {control.name: {"config": given}}, "loggers": {JSON_LOGGER: {}}},
        ),
    )
    def job() -> None:
        control()

    return job


CONTROL_JOBS = [
    _control(
        "pause_workflow",
        _pause,
        description="Have a running Workflow stop behind its last finished Task.",
        workflow_id=_WORKFLOW_ID,
    ),
    _control(
        "resume_workflow", _resume, description="Go on with a paused or failed Workflow.", workflow_id=_WORKFLOW_ID
    ),
    _control("cancel_workflow", _cancel, description="End a Workflow for good.", workflow_id=_WORKFLOW_ID),
    _control(
        "rollback_workflow",
        _roll_back,
        description="Put a Workflow back to one of its Checkpoints; resume goes on from there.",
        workflow_id=_WORKFLOW_ID,
        checkpoint_id=_CHECKPOINT_ID,
    ),
    _control(
        "delete_workflow",
        _delete,
        description="Remove a Workflow with its trees, Reports and Checkpoints.",
        workflow_id=_WORKFLOW_ID,
    ),
]
