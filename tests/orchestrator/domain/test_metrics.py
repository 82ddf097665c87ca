"""The registry has what the requirements ask for: a row that is missing or changed fails here."""

from __future__ import annotations

import pytest

from orchestrator.domain.measures import observe
from orchestrator.domain.metrics import METRICS, MetricKind

_MIN = 60_000.0
# Requirements section 2: id, name, type, labels, and the threshold of a histogram in ms.
REQUIRED = [
    ("MET-01", "workflow_execution_duration_milliseconds", "histogram", ("workflow",), 30 * _MIN),
    ("MET-02", "workflow_status_count", "gauge", ("status",), None),
    ("MET-03", "workflow_success_rate", "gauge", (), None),
    ("MET-04", "workflow_created_total", "counter", ("workflow",), None),
    ("MET-05", "workflow_completed_total", "counter", ("workflow",), None),
    ("MET-06", "workflow_failed_total", "counter", ("workflow",), None),
    ("MET-07", "workflow_concurrent_running", "gauge", (), None),
    ("MET-08", "agent_response_duration_milliseconds", "histogram", ("provider", "model"), 5 * _MIN),
    ("MET-09", "agent_error_rate", "gauge", (), None),
    ("MET-10", "agent_concurrent_count", "gauge", (), None),
    ("MET-11", "agent_start_duration_milliseconds", "histogram", ("provider", "model"), 30_000.0),
    ("MET-12", "agent_error_total", "counter", ("provider", "model", "error_type"), None),
    ("MET-13", "agent_query_total", "counter", ("provider", "model"), None),
    ("MET-14", "worktree_active_count", "gauge", (), None),
    ("MET-15", "worktree_disk_usage_bytes", "gauge", (), None),
    ("MET-16", "worktree_creation_duration_milliseconds", "histogram", (), 1 * _MIN),
    ("MET-17", "report_file_count", "gauge", (), None),
    ("MET-18", "report_disk_usage_bytes", "gauge", (), None),
    ("MET-19", "workspace_active_count", "gauge", (), None),
    ("MET-20", "checkpoint_count", "gauge", (), None),
    ("MET-21", "checkpoint_invalid_count", "gauge", (), None),
    ("MET-22", "event_processing_delay_milliseconds", "histogram", (), 5_000.0),
    ("MET-23", "event_queue_depth", "gauge", (), None),
    ("MET-24", "event_published_total", "counter", ("type",), None),
    ("MET-25", "event_handler_error_total", "counter", ("handler",), None),
    ("MET-26", "mcp_connection_active", "gauge", ("server",), None),
    ("MET-27", "mcp_validation_failure_total", "counter", ("server",), None),
    ("MET-28", "db_query_duration_milliseconds", "histogram", ("operation",), 1_000.0),
    ("MET-29", "db_connection_pool_active", "gauge", (), None),
    ("", "db_connection_pool_size", "gauge", (), None),
    ("MET-30", "git_command_duration_milliseconds", "histogram", ("command",), 30_000.0),
    ("", "git_command_failed_total", "counter", ("command",), None),
    ("", "dependency_up", "gauge", ("dependency",), None),
    ("", "dependency_failure_streak", "gauge", ("dependency",), None),
    ("", "disk_free_bytes", "gauge", ("root",), None),
    ("", "event_publish_failure_streak", "gauge", (), None),
    ("", "agent_crash_total", "counter", ("provider", "phase"), None),
    ("", "worktree_removed_total", "counter", ("reason",), None),
    # The requirements leave their labels open.
    ("", "agent_tokens_total", "counter", ("provider", "model", "direction"), None),
    ("", "agent_cost_usd_total", "counter", ("provider", "model"), None),
]


@pytest.mark.parametrize(("id", "name", "kind", "labels", "threshold_ms"), REQUIRED, ids=[row[1] for row in REQUIRED])
def test_a_required_metric_is_there_with_its_type_and_labels(
    id: str, name: str, kind: str, labels: tuple[str, ...], threshold_ms: float | None
) -> None:
    metric = METRICS[name]

    assert (metric.id, metric.kind, metric.labels) == (id, kind, labels)
    if threshold_ms is not None:
        assert threshold_ms in metric.buckets_ms, "the quantile is exact where the threshold is the edge of a bucket"
        assert metric.buckets_ms[-1] > threshold_ms, "and a quantile above it must show as more"


def test_there_is_no_metric_beside_the_required_ones() -> None:
    assert sorted(METRICS) == sorted(row[1] for row in REQUIRED)


@pytest.mark.parametrize("name", [name for name, one in METRICS.items() if one.kind is MetricKind.HISTOGRAM])
def test_an_observation_at_an_edge_falls_below_it(name: str) -> None:
    labels = dict.fromkeys(METRICS[name].labels, "x")
    edges = METRICS[name].buckets_ms
    assert list(edges) == sorted(set(edges))

    at, above = (observe(name, ms, **labels)[0].cell for ms in (edges[0], edges[0] + 0.001))

    assert (float(at), float(above)) == (edges[0], edges[1])
    assert observe(name, edges[-1] + 1, **labels)[0].cell == "+Inf"


def test_labels_that_are_not_the_metrics_own_are_refused() -> None:
    with pytest.raises(ValueError, match="has the labels command, not operation"):
        observe("git_command_duration_milliseconds", 1, operation="fetch")
