"""What the events of a finished Workflow must tell, in which order. Tables of its own, not the engine's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tests.sweep.scenario import STEPS, WORKFLOW_ID

_LEGAL = frozenset(
    {
        *(("CREATED", to) for to in ("READY", "FAILED", "CANCELLED")),
        *(("READY", to) for to in ("RUNNING", "FAILED", "CANCELLED")),
        *(("RUNNING", to) for to in ("COMPLETED", "FAILED", "PAUSED", "CANCELLED")),
        *(("PAUSED", to) for to in ("RUNNING", "CANCELLED", "PAUSED")),
        *(("FAILED", to) for to in ("RUNNING", "CANCELLED", "PAUSED")),
        ("COMPLETED", "PAUSED"),
    }
)
# Of one Work: it may start again, after it failed or was killed, and is over with its Checkpoint.
_WORK = re.compile(r"(WorkStarted (WorkFailed )?)*WorkStarted WorkCompleted CheckpointCreated ")
_TASK = re.compile(r"(QuerySent )+QueryResponded ReportGenerated ")
_ONCE = ("WorkflowCreated", "WorkflowStarted", "WorkflowCompleted")


def wrong_events(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What a Workflow that completed cannot have told."""
    types = [event["type"] for event in events]
    for once in _ONCE:
        if types.count(once) != 1:
            yield f"{once} was told {types.count(once)} times"
    if not types or (types[0], types[-1]) != ("WorkflowCreated", "WorkflowCompleted"):
        yield f"the chain goes from {types[:1]} to {types[-1:]}"
    if chains := {event["correlation_id"] for event in events} - {f"{WORKFLOW_ID}-001"}:
        yield f"foreign correlation ids: {sorted(chains)}"
    if types.count("AgentStopped") > types.count("AgentStarted"):
        yield "more agents stopped than started"
    yield from _statuses(events)
    yield from _works(events)


def _statuses(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    before = "CREATED"
    for event in events:
        if event["type"] == "WorkflowStatusChanged":
            change = (event["context"]["previousStatus"], event["context"]["newStatus"])
            if change[0] != before or change not in _LEGAL:
                yield f"status {before}, then {change[0]} -> {change[1]}"
            before = change[1]
    if before != "COMPLETED":
        yield f"the last status told is {before}"


def _works(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    over = -1
    for step in STEPS:
        mine = [event for event in events if event["context"].get("work") == step.work]
        told = "".join(f"{event['type']} " for event in mine if event["task_id"] is None)
        if not _WORK.fullmatch(told):
            yield f"work {step.work} told {told}"
        if mine and mine[0]["position"] <= over:
            yield f"work {step.work} began before the one before was over"
        for task in step.tasks:
            of_task = [event for event in mine if event["context"].get("task") == task]
            told = "".join(f"{event['type']} " for event in of_task)
            if not _TASK.fullmatch(told):
                yield f"task {step.work}/{task} told {told}"
            if of_task and of_task[0]["position"] <= over:
                yield f"task {step.work}/{task} was asked before the one before was answered"
            over = max(over, *(event["position"] for event in of_task), over)
        over = max([over, *(event["position"] for event in mine)])
