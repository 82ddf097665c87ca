"""Cron triggers of the specs as Dagster schedules, in the time zone of each."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestrator.engine.trigger_handler import log_firings
from orchestrator.engine.triggers import firing
from orchestrator.spec.load import LoadedSpec
from orchestrator.spec.model import TriggerSpec, WorkflowSpec
from resources.engine import EngineResource
from resources.triggers import description, requests, trigger_name


def trigger_schedules(loaded: LoadedSpec, job: Any) -> list[dg.ScheduleDefinition]:
    """A schedule for each cron trigger of a spec."""
    return [
        _schedule(loaded.spec, name, trigger, job)
        for name, trigger in loaded.spec.named_triggers().items()
        if trigger.schedule is not None
    ]


def _schedule(spec: WorkflowSpec, name: str, trigger: TriggerSpec, job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=trigger_name(spec.name, name),
        job=job,
        cron_schedule=trigger.schedule or "",
        execution_timezone=trigger.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description(spec, trigger),
    )
    def fire(context: dg.ScheduleEvaluationContext, engine: EngineResource) -> Iterator[Any]:
        # The time it was due, not the time it is: a tick that is done again fires nothing new, whatever the clock says.
        due = context.scheduled_execution_time.isoformat()
        new = firing(spec, name, trigger, key=due, payload={"scheduled_at": due}, reason=f"due at {due}")
        written = engine.engine().store.write(lambda tx: tx.put_firing(new))
        log_firings([written] if written is not None else [])
        yield from requests(engine.engine(), spec.name, name, otherwise=f"{due} has fired already")

    return fire
