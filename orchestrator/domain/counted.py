"""What each event adds to the metrics. The store adds it in the event's own transaction: neither is kept alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from orchestrator.domain.events import Event, EventType
from orchestrator.domain.measures import Measure, count, expect, in_minute, observe

# Sums of single minutes, for the rate of the last hour; no metrics themselves.
QUERIES = "window_agent_query"
ERRORS = "window_agent_error"

# An agent that ends unasked earlier than this was never fit to work: its program, login or configuration is wrong.
START_PHASE_MS = 10_000
_REASON = re.compile(r"[a-z][a-z_-]{0,31}")


def measures_of(event: Event) -> Iterator[Measure]:
    """What the event counts and times."""
    counted = _COUNTED.get(event.type)
    return iter(()) if counted is None else counted(event)


def agent_error(moment: datetime, *, provider: str, model: str | None, error_type: str) -> Iterator[Measure]:
    """An error of an agent; `error_type` is `AgentError.kind`, a closed list."""
    yield count("agent_error_total", provider=provider, model=model, error_type=error_type)
    yield in_minute(ERRORS, moment)


def _workflow_created(event: Event) -> Iterator[Measure]:
    yield count("workflow_created_total", workflow=event.workflow)
    yield count("workflow_completed_total", 0, workflow=event.workflow)
    yield count("workflow_failed_total", 0, workflow=event.workflow)
    yield expect("workflow_execution_duration_milliseconds", workflow=event.workflow)


def _workflow_completed(event: Event) -> Iterator[Measure]:
    yield count("workflow_completed_total", workflow=event.workflow)
    if event.duration_ms is not None:
        yield from observe("workflow_execution_duration_milliseconds", event.duration_ms, workflow=event.workflow)


def _workflow_failed(event: Event) -> Iterator[Measure]:
    yield count("workflow_failed_total", workflow=event.workflow)


def _work_started(event: Event) -> Iterator[Measure]:
    agent = _agent(event)
    yield count("agent_query_total", 0, **agent)
    yield expect("agent_start_duration_milliseconds", **agent)
    yield expect("agent_response_duration_milliseconds", **agent)
    yield count("agent_crash_total", 0, provider=agent["provider"], phase="start")
    yield count("agent_error_total", 0, **agent, error_type="crashed")


def _query_sent(event: Event) -> Iterator[Measure]:
    yield count("agent_query_total", **_agent(event))
    yield in_minute(QUERIES, event.occurred_at)


def _query_responded(event: Event) -> Iterator[Measure]:
    agent = _agent(event)
    if event.duration_ms is not None:
        yield from observe("agent_response_duration_milliseconds", event.duration_ms, **agent)
    for name, direction in (("inputTokens", "input"), ("outputTokens", "output")):
        if tokens := event.context.get(name):
            yield count("agent_tokens_total", tokens, **agent, direction=direction)
    if cost := event.context.get("costUsd"):
        yield count("agent_cost_usd_total", float(Decimal(cost)), **agent)


def _agent_started(event: Event) -> Iterator[Measure]:
    if event.duration_ms is not None:
        yield from observe("agent_start_duration_milliseconds", event.duration_ms, **_agent(event))


def _agent_crashed(event: Event) -> Iterator[Measure]:
    agent = _agent(event)
    uptime_ms = event.context.get("uptimeMs")
    phase = "start" if uptime_ms is not None and uptime_ms < START_PHASE_MS else "run"
    yield count("agent_crash_total", provider=agent["provider"], phase=phase)
    provider = _text(event, "provider")
    yield from agent_error(event.occurred_at, provider=provider, model=agent["model"], error_type="crashed")


def _worktree_removed(event: Event) -> Iterator[Measure]:
    reason = _text(event, "reason")
    yield count("worktree_removed_total", reason=reason if _REASON.fullmatch(reason) else "other")


def _agent(event: Event) -> dict[str, str | None]:
    return {"provider": _text(event, "provider"), "model": event.context.get("model")}


def _text(event: Event, name: str) -> str:
    return str(event.context.get(name) or "unknown")


_COUNTED: Mapping[EventType, Callable[[Event], Iterator[Measure]]] = {
    EventType.WORKFLOW_CREATED: _workflow_created,
    EventType.WORKFLOW_COMPLETED: _workflow_completed,
    EventType.WORKFLOW_FAILED: _workflow_failed,
    EventType.WORK_STARTED: _work_started,
    EventType.QUERY_SENT: _query_sent,
    EventType.QUERY_RESPONDED: _query_responded,
    EventType.AGENT_STARTED: _agent_started,
    EventType.AGENT_CRASHED: _agent_crashed,
    EventType.WORKTREE_REMOVED: _worktree_removed,
}
