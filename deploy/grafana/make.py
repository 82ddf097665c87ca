"""Makes the dashboards: `python -m deploy.grafana.make` writes dashboards/*.json, which Grafana is provisioned with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, logs, loki, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos

FOLDER = Path(__file__).parent / "dashboards"
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI = DataSourceRef(type_val="loki", uid="loki")
_WIDTH, _HEIGHT = 12, 8
_STAT_WIDTH, _STAT_HEIGHT = 4, 4


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A panel over time: legend -> expression."""

    title: str
    queries: Mapping[str, str]
    unit: str = "short"


@dataclass(frozen=True, kw_only=True)
class Number:
    """A panel with the value of now."""

    title: str
    query: str
    unit: str = "short"


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A panel of log lines; `query` is LogQL."""

    title: str
    query: str


Panel = Graph | Number | Lines


def p95(metric: str, *labels: str, window: str = "30m") -> str:
    """The 95th percentile of a histogram by labels."""
    by = ", ".join(("le", *labels))
    return f"histogram_quantile(0.95, sum by ({by}) (rate({metric}_bucket[{window}])))"


def per_hour(counter: str, *labels: str) -> str:
    """How much a counter grew in an hour, by labels."""
    return f"sum by ({', '.join(labels)}) (increase({counter}[1h]))"


_ALL_LINES = '{service="workflow-orchestrator"}'

DASHBOARDS: Mapping[str, Sequence[Panel]] = {
    "Overview": (
        Number(title="Running", query="workflow_concurrent_running"),
        Number(title="Failed", query='workflow_status_count{status="FAILED"}'),
        Number(title="Paused", query='workflow_status_count{status="PAUSED"}'),
        Number(title="Success, 24 h", query="workflow_success_rate", unit="percentunit"),
        Number(title="Agents", query="agent_concurrent_count"),
        Number(title="Cost, 24 h", query="sum(increase(agent_cost_usd_total[24h]))", unit="currencyUSD"),
        Graph(title="Workflows by status", queries={"{{status}}": "workflow_status_count"}),
        Graph(title="Dependencies", queries={"{{dependency}}": "dependency_up"}),
        Graph(title="Free space", queries={"{{root}}": "disk_free_bytes"}, unit="bytes"),
        Graph(title="Events waiting", queries={"waiting": "event_queue_depth"}),
        Lines(title="What needs a person", query=f'{_ALL_LINES} | json | level=~"ERROR|WARN"'),
    ),
    "Workflows": (
        Graph(
            title="Created, completed, failed, by hour",
            queries={
                "created {{workflow}}": per_hour("workflow_created_total", "workflow"),
                "completed {{workflow}}": per_hour("workflow_completed_total", "workflow"),
                "failed {{workflow}}": per_hour("workflow_failed_total", "workflow"),
            },
        ),
        Graph(
            title="Duration, p95",
            queries={"{{workflow}}": p95("workflow_execution_duration_milliseconds", "workflow", window="6h")},
            unit="ms",
        ),
        Graph(title="Success rate, 24 h", queries={"rate": "workflow_success_rate"}, unit="percentunit"),
        Graph(
            title="Running", queries={"Workflows": "workflow_concurrent_running", "agents": "agent_concurrent_count"}
        ),
        Graph(title="Checkpoints", queries={"kept": "checkpoint_count", "invalidated": "checkpoint_invalid_count"}),
        Graph(title="Events by type, per hour", queries={"{{type}}": per_hour("event_published_total", "type")}),
        Lines(
            title="One execution: everything with its correlation id",
            query=f'{_ALL_LINES} | json | correlationId="$correlation_id"',
        ),
    ),
    "Agents and cost": (
        Number(title="Cost, 24 h", query="sum(increase(agent_cost_usd_total[24h]))", unit="currencyUSD"),
        Number(title="Queries, 24 h", query="sum(increase(agent_query_total[24h]))"),
        Number(title="Error rate, 1 h", query="agent_error_rate", unit="percentunit"),
        Graph(
            title="Cost per hour",
            queries={"{{provider}} {{model}}": per_hour("agent_cost_usd_total", "provider", "model")},
            unit="currencyUSD",
        ),
        Graph(
            title="Tokens per hour",
            queries={"{{model}} {{direction}}": per_hour("agent_tokens_total", "model", "direction")},
        ),
        Graph(
            title="Answer, p95",
            queries={"{{provider}} {{model}}": p95("agent_response_duration_milliseconds", "provider", "model")},
            unit="ms",
        ),
        Graph(
            title="Start, p95",
            queries={"{{provider}} {{model}}": p95("agent_start_duration_milliseconds", "provider", "model")},
            unit="ms",
        ),
        Graph(
            title="Errors and crashes per hour",
            queries={
                "{{provider}} {{error_type}}": per_hour("agent_error_total", "provider", "error_type"),
                "{{provider}} crash, {{phase}}": per_hour("agent_crash_total", "provider", "phase"),
            },
        ),
        Graph(
            title="MCP servers",
            queries={
                "{{server}} up": "mcp_connection_active",
                "{{server}} failures per hour": per_hour("mcp_validation_failure_total", "server"),
            },
        ),
    ),
    "Storage and retention": (
        Graph(title="Free space", queries={"{{root}}": "disk_free_bytes"}, unit="bytes"),
        Graph(
            title="Used",
            queries={"WorkTrees": "worktree_disk_usage_bytes", "Reports": "report_disk_usage_bytes"},
            unit="bytes",
        ),
        Graph(title="Standing", queries={"WorkTrees": "worktree_active_count", "WorkSpaces": "workspace_active_count"}),
        Graph(title="Reports", queries={"files": "report_file_count"}),
        Graph(title="WorkTrees removed per hour", queries={"{{reason}}": per_hour("worktree_removed_total", "reason")}),
        Graph(
            title="Making a WorkTree, p95",
            queries={"p95": p95("worktree_creation_duration_milliseconds")},
            unit="ms",
        ),
    ),
    "System": (
        Graph(title="Dependencies", queries={"{{dependency}}": "dependency_up"}),
        Graph(title="Failed checks in a row", queries={"{{dependency}}": "dependency_failure_streak"}),
        Graph(
            title="Database statements, p95",
            queries={"{{operation}}": p95("db_query_duration_milliseconds", "operation", window="5m")},
            unit="ms",
        ),
        Graph(
            title="Connections", queries={"in use": "db_connection_pool_active", "at most": "db_connection_pool_size"}
        ),
        Graph(
            title="git commands, p95",
            queries={"{{command}}": p95("git_command_duration_milliseconds", "command")},
            unit="ms",
        ),
        Graph(title="git failures per hour", queries={"{{command}}": per_hour("git_command_failed_total", "command")}),
        Graph(
            title="From event to handled, p95",
            queries={"p95": p95("event_processing_delay_milliseconds", window="5m")},
            unit="ms",
        ),
        Graph(
            title="Events",
            queries={
                "waiting": "event_queue_depth",
                "failed publishes in a row": "event_publish_failure_streak",
                "errors of {{handler}} per hour": per_hour("event_handler_error_total", "handler"),
            },
        ),
    ),
}


def render(title: str) -> str:
    """One dashboard as the JSON that is committed."""
    made = (
        dashboard.Dashboard(f"Workflow Orchestrator: {title}")
        .uid(file_name(title))
        .tags(["workflow-orchestrator"])
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(dashboard.TextBoxVariable("correlation_id").label("Correlation id"))
    )
    across, down, row_height = 0, 0, 0
    for panel in DASHBOARDS[title]:
        width, height = (_STAT_WIDTH, _STAT_HEIGHT) if isinstance(panel, Number) else (_WIDTH, _HEIGHT)
        if across + width > 24 or (across and height != row_height):
            across, down = 0, down + row_height
        row_height = height
        made = made.with_panel(_panel(panel).grid_pos(GridPos(x=across, y=down, w=width, h=height)))
        across += width
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def file_name(title: str) -> str:
    """`Agents and cost` is `agents-and-cost`."""
    return title.lower().replace(" ", "-")


def _panel(panel: Panel) -> stat.Panel | timeseries.Panel | logs.Panel:
    if isinstance(panel, Lines):
        return (
            logs.Panel().title(panel.title).datasource(LOKI).with_target(loki.Dataquery().expr(panel.query).ref_id("A"))
        )
    if isinstance(panel, Number):
        query = prometheus.Dataquery().expr(panel.query).ref_id("A").instant()
        return stat.Panel().title(panel.title).unit(panel.unit).datasource(PROMETHEUS).with_target(query)
    made = timeseries.Panel().title(panel.title).unit(panel.unit).datasource(PROMETHEUS).min(0)
    for number, (legend, expression) in enumerate(panel.queries.items()):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + number)).range()
        made = made.with_target(query)
    return made


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for title in DASHBOARDS:
        (FOLDER / f"{file_name(title)}.json").write_text(render(title))


if __name__ == "__main__":
    main()
