"""Every metric of the system: its name, type, labels and buckets. Requirements section 2 has the same table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """The types of Prometheus that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        labels: in the order in which stored label values stand.
        buckets_ms: upper edges of a histogram, rising, without +Inf; the alert's threshold is one of them.
        id: the requirement's number, empty for what the alerts need beside those.
    """

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets_ms: tuple[float, ...] = ()
    id: str = ""


_S = 1000.0
_MIN = 60 * _S
_H = 60 * _MIN

_EXECUTION = (
    *(1 * _S, 5 * _S, 15 * _S, 30 * _S, 1 * _MIN, 2 * _MIN, 5 * _MIN),
    *(10 * _MIN, 20 * _MIN, 30 * _MIN, 45 * _MIN, 1 * _H, 2 * _H, 4 * _H, 8 * _H),
)
_RESPONSE = (
    *(100.0, 500.0, 1 * _S, 2.5 * _S, 5 * _S, 10 * _S, 30 * _S),
    *(1 * _MIN, 2 * _MIN, 5 * _MIN, 10 * _MIN, 20 * _MIN, 1 * _H),
)
_START = (100.0, 250.0, 500.0, 1 * _S, 2 * _S, 5 * _S, 10 * _S, 20 * _S, 30 * _S, 45 * _S, 1 * _MIN, 2 * _MIN)
_CREATION = (10.0, 50.0, 100.0, 250.0, 500.0, 1 * _S, 2.5 * _S, 5 * _S, 15 * _S, 30 * _S, 1 * _MIN, 2 * _MIN, 5 * _MIN)
_DELAY = (10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1 * _S, 2.5 * _S, 5 * _S, 10 * _S, 30 * _S, 1 * _MIN, 5 * _MIN)
_QUERY = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1 * _S, 2.5 * _S, 5 * _S)
_COMMAND = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1 * _S, 2.5 * _S, 5 * _S, 10 * _S, 30 * _S, 1 * _MIN, 2 * _MIN)

_AGENT = ("provider", "model")


def _counter(id: str, name: str, help: str, *labels: str) -> Metric:
    return Metric(id=id, name=name, kind=MetricKind.COUNTER, help=help, labels=labels)


def _gauge(id: str, name: str, help: str, *labels: str) -> Metric:
    return Metric(id=id, name=name, kind=MetricKind.GAUGE, help=help, labels=labels)


def _histogram(id: str, name: str, help: str, *labels: str, buckets_ms: tuple[float, ...]) -> Metric:
    return Metric(id=id, name=name, kind=MetricKind.HISTOGRAM, help=help, labels=labels, buckets_ms=buckets_ms)


_ALL = (
    _histogram(
        *("MET-01", "workflow_execution_duration_milliseconds", "From RUNNING to COMPLETED, pauses included."),
        "workflow",
        buckets_ms=_EXECUTION,
    ),
    _gauge("MET-02", "workflow_status_count", "Workflows in each status.", "status"),
    _gauge("MET-03", "workflow_success_rate", "COMPLETED of all that ended in the last 24 hours, 1 where none did."),
    _counter("MET-04", "workflow_created_total", "Workflows accepted.", "workflow"),
    _counter("MET-05", "workflow_completed_total", "Workflows that became COMPLETED.", "workflow"),
    _counter("MET-06", "workflow_failed_total", "Workflows that became FAILED, each time.", "workflow"),
    _gauge("MET-07", "workflow_concurrent_running", "Workflows that are RUNNING."),
    _histogram(
        *("MET-08", "agent_response_duration_milliseconds", "From query sent to answer complete.", *_AGENT),
        buckets_ms=_RESPONSE,
    ),
    _gauge("MET-09", "agent_error_rate", "Agent errors by queries sent in the last hour, 0 where none was sent."),
    _gauge("MET-10", "agent_concurrent_count", "Works whose agent runs."),
    _histogram(
        *("MET-11", "agent_start_duration_milliseconds", "From start to ready for a query.", *_AGENT),
        buckets_ms=_START,
    ),
    _counter("MET-12", "agent_error_total", "What agents failed at, retried or not.", *_AGENT, "error_type"),
    _counter("MET-13", "agent_query_total", "Queries sent, those sent again after a death included.", *_AGENT),
    _gauge("MET-14", "worktree_active_count", "WorkTrees that stand."),
    _gauge("MET-15", "worktree_disk_usage_bytes", "Bytes of the WorkTrees that stand, as last measured."),
    _histogram(
        *("MET-16", "worktree_creation_duration_milliseconds", "Time to make one WorkTree."),
        buckets_ms=_CREATION,
    ),
    _gauge("MET-17", "report_file_count", "Reports, those of ended Workflows included."),
    _gauge("MET-18", "report_disk_usage_bytes", "Bytes of all Reports and of their archives."),
    _gauge("MET-19", "workspace_active_count", "WorkSpaces that stand."),
    _gauge("MET-20", "checkpoint_count", "Checkpoints kept, the invalidated ones included."),
    _gauge("MET-21", "checkpoint_invalid_count", "Checkpoints that were invalidated and are kept as history."),
    _histogram(
        *("MET-22", "event_processing_delay_milliseconds", "From event written to every handler done with it."),
        buckets_ms=_DELAY,
    ),
    _gauge("MET-23", "event_queue_depth", "Events written and not yet handed to their handlers."),
    _counter("MET-24", "event_published_total", "Events handed to their handlers, each once.", "type"),
    _counter("MET-25", "event_handler_error_total", "What handlers of events raised, each attempt.", "handler"),
    _gauge("MET-26", "mcp_connection_active", "1 while the MCP server answers, else 0.", "server"),
    _counter("MET-27", "mcp_validation_failure_total", "MCP servers that could not be connected.", "server"),
    _histogram(
        *("MET-28", "db_query_duration_milliseconds", "Time of one database statement.", "operation"),
        buckets_ms=_QUERY,
    ),
    _gauge("MET-29", "db_connection_pool_active", "Connections of the operations server in use."),
    _gauge("", "db_connection_pool_size", "Connections that each process may hold (DATABASE_POOL_MAX)."),
    _histogram(
        *("MET-30", "git_command_duration_milliseconds", "Time of one git command.", "command"),
        buckets_ms=_COMMAND,
    ),
    _counter("", "git_command_failed_total", "git commands that failed or were killed at their deadline.", "command"),
    _gauge("", "dependency_up", "1 while the last check of the dependency succeeded, else 0.", "dependency"),
    _gauge("", "dependency_failure_streak", "Failed checks of the dependency in a row.", "dependency"),
    _gauge("", "disk_free_bytes", "Free space of the file system that a root lies on.", "root"),
    _gauge("", "event_publish_failure_streak", "Failed attempts in a row to publish pending events."),
    _counter("", "agent_crash_total", "Agents that ended unasked; phase start: within 10 s.", "provider", "phase"),
    _counter("", "worktree_removed_total", "WorkTrees removed, by why.", "reason"),
    _counter("", "agent_tokens_total", "Tokens as providers report them.", *_AGENT, "direction"),
    _counter("", "agent_cost_usd_total", "US dollars as providers report them.", *_AGENT),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}
