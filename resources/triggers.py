"""What sensors and schedules of triggers share: the runs that a trigger may have now."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import dagster as dg

from orchestrator.domain import ids, tags
from orchestrator.domain.errors import WrongState
from orchestrator.engine.control import ask_cancel
from orchestrator.engine.engine import Engine
from orchestrator.engine.launches import Launch, next_launches
from orchestrator.spec.model import TriggerSpec, WorkflowSpec


def trigger_name(workflow: str, trigger: str) -> str:
    """The sensor or schedule of a trigger."""
    return f"{workflow}__{trigger}"


def requests(engine: Engine, workflow: str, trigger: str, *, otherwise: str) -> Iterator[Any]:
    """The runs that this trigger may have now, or why there is none."""
    found = next_launches(engine.store, owner=ids.new_tick_id(), workflow=workflow, trigger=trigger)
    launches = [each for each in found if isinstance(each, Launch)]
    waits = [each.reason for each in found if not isinstance(each, Launch)]
    if not launches:
        yield dg.SkipReason("; ".join(waits) or otherwise)
    for launch in launches:
        for row in launch.cancel:
            with suppress(WrongState):  # it has ended meanwhile
                ask_cancel(engine.store, row.id)
        yield dg.RunRequest(
            # Dagster makes one run of one key, the coordinator one of one firing.
            run_key=launch.firing.id,
            run_config=dict(launch.firing.inputs),
            tags={tags.FIRING_TAG: launch.firing.id},
        )


def description(spec: WorkflowSpec, trigger: TriggerSpec) -> str:
    """What makes it fire, and what it does while another Workflow runs."""
    if trigger.git_push is not None:
        git = spec.gits[trigger.git_push.git]
        when = f"When `{trigger.git_push.ref or git.ref}` of `{trigger.git_push.git}` ({git.url}) has moved."
    elif trigger.webhook is not None:
        when = f"On POST /webhooks/{trigger.webhook.source}, event {trigger.webhook.event or 'any'}."
    elif trigger.event is not None:
        when = f"On {trigger.event.type} of {trigger.event.workflow or 'any other workflow'}."
    else:
        when = f"At `{trigger.schedule}` {trigger.timezone}."
    return f"{when} Overlap: {trigger.overlap}. Switched off, nothing is launched for it, by webhook neither."
