"""One workflow in one process, without daemon or webserver: `orchestrator run --local` starts this module."""

import argparse
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass

import dagster as dg

from orchestrator.domain import tags
from orchestrator.domain.errors import LaunchError, OrchestratorError
from orchestrator.engine.create import create
from orchestrator.engine.engine import open_settings_store
from orchestrator.engine.resume import accept_resume
from orchestrator.ops.instance import instance_environment, prepare_instance
from orchestrator.settings import load_settings
from orchestrator.spec.load import parse_document
from orchestrator.spec.resolve import parse_inputs
from resources.engine import import_agent_protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Which Workflow to go on with, and the request that asked for it."""

    workflow_id: str
    resume_id: str


def run(name: str, *, run_id: str, texts: dict[str, str], resume: Resume | None = None) -> bool:
    """Create the Workflow or go on with one, perform its job here, and say whether it completed."""
    settings = load_settings()
    prepare_instance(settings)
    os.environ.update(instance_environment(settings))
    # Built only now: the definitions read the environment.
    from orchestrator_defs.definitions import defs

    if name not in {job.name for job in defs.resolve_all_job_defs() if tags.SPEC_METADATA in job.metadata}:
        raise LaunchError(f'no workflow "{name}"; `orchestrator validate` lists those there are')
    import_agent_protocol()
    job = defs.resolve_job_def(name)
    document = str(job.metadata[tags.SPEC_METADATA].value)
    store = open_settings_store(settings)
    try:
        if resume is None:
            inputs = parse_inputs(parse_document(document), texts)
            digest = job.tags[tags.SPEC_DIGEST_TAG]
            workflow = create(store, run_id=run_id, document=document, digest=digest, inputs=inputs)
        else:
            workflow = accept_resume(
                store, resume.workflow_id, run_id=run_id, document=document, resume_id=resume.resume_id
            )
    finally:
        store.close()
    with dg.DagsterInstance.get() as instance, suppress(dg.DagsterExecutionInterruptedError):
        result = job.execute_in_process(
            run_config=dict(workflow.inputs),
            instance=instance,
            run_id=run_id,
            tags={
                tags.WORKFLOW_ID_TAG: workflow.id,
                tags.CORRELATION_ID_TAG: workflow.correlation_id,
                **({} if workflow.trace_id is None else {tags.TRACE_ID_TAG: workflow.trace_id}),
            },
            raise_on_error=False,
        )
        return result.success
    return False  # it was paused or cancelled


def main() -> int:
    """Exit code 0: completed; 1: it ran and did not complete; 2: it was not started."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--inputs", type=json.loads, default={})
    parser.add_argument("--resume", metavar="WORKFLOW_ID")
    parser.add_argument("--resume-id")
    arguments = parser.parse_args()
    resume = None
    if arguments.resume:
        resume = Resume(workflow_id=arguments.resume, resume_id=arguments.resume_id)
    try:
        return 0 if run(arguments.name, run_id=arguments.run_id, texts=arguments.inputs, resume=resume) else 1
    except OrchestratorError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
