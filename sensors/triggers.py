"""Triggers of the specs as sensors: visible, switched and tested in the UI, each says why it did or did not launch."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestrator.domain.errors import GitError, GitRefNotFound, OrchestratorError
from orchestrator.engine.engine import Engine
from orchestrator.engine.trigger_handler import log_firings
from orchestrator.engine.triggers import pushed
from orchestrator.spec.load import LoadedSpec
from orchestrator.spec.model import TriggerSpec, WorkflowSpec
from resources.engine import EngineResource
from resources.git import GitResource
from resources.triggers import description, requests, trigger_name

# What the operations server has not launched by then, the sensor does.
INTERVAL_S = 10
# A tick has a minute; a remote that hangs must not use it up.
LOOK_MS = 20_000


def trigger_sensors(loaded: LoadedSpec, job: Any) -> list[dg.SensorDefinition]:
    """A sensor for each trigger of a spec that is no schedule."""
    return [
        _sensor(loaded.spec, name, trigger, job)
        for name, trigger in loaded.spec.named_triggers().items()
        if trigger.schedule is None
    ]


def _sensor(spec: WorkflowSpec, name: str, trigger: TriggerSpec, job: Any) -> dg.SensorDefinition:
    interval_s = INTERVAL_S if trigger.git_push is None else min(trigger.git_push.interval, 3600)

    @dg.sensor(
        name=trigger_name(spec.name, name),
        job=job,
        minimum_interval_seconds=interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description(spec, trigger),
    )
    def fire(context: dg.SensorEvaluationContext, engine: EngineResource, git: GitResource) -> Iterator[Any]:
        why = None
        if trigger.git_push is not None:
            why = _look(context, engine.engine(), git, spec, name, trigger)
        yield from requests(engine.engine(), spec.name, name, otherwise=why or "nothing has fired")

    return fire


def _look(
    context: dg.SensorEvaluationContext,
    engine: Engine,
    git: GitResource,
    spec: WorkflowSpec,
    name: str,
    trigger: TriggerSpec,
) -> str:
    """Fire if the ref has moved since the cursor; why not, in words."""
    push = trigger.git_push
    if push is None:
        return ""
    repository = spec.gits[push.git]
    ref = push.ref or repository.ref
    try:
        head = git.remote_head(repository.url, ref, timeout_ms=LOOK_MS)
    except GitRefNotFound:
        return f"{push.git} has no {ref}: deleted, or never pushed"
    except (GitError, OrchestratorError) as error:
        return f"{push.git} cannot be asked: {error}"
    before = context.cursor
    if before == head:
        return f"{push.git} {ref} still stands at {head[:12]}"
    if before is None:
        context.update_cursor(head)
        return f"{push.git} {ref} stands at {head[:12]}; the next push fires"
    new = pushed(spec, name, trigger, commit=head, before=before)
    firing = engine.store.write(lambda tx: tx.put_push(new))
    # After the firing is written: a tick that dies in between finds the same push again, and the firing there.
    context.update_cursor(head)
    if firing is None:
        return f"{push.git} {ref} moved to {head[:12]}, as a webhook has told already"
    log_firings([firing])
    return firing.reason
