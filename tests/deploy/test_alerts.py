"""Each alert rule fires above its threshold, and neither at it nor below; its runbook is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.domain.metrics import METRICS
from tests.docs.pages import ROOT
from tests.parts.prometheus import run

DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
GB = 1_000_000_000
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What an alert is shown, as `promtool test rules` writes series, a sample every 15 s.

    Attributes:
        minutes: when it is asked.
    """

    below: dict[str, str]
    at: dict[str, str]
    above: dict[str, str]
    minutes: str = "6m"


def gauge(series: str, below: float, at: float, above: float) -> Case:
    return Case(below={series: f"{below}x60"}, at={series: f"{at}x60"}, above={series: f"{above}x60"})


def grown(series: str, limit: int) -> Case:
    """A counter that stood at 100 and grows by as many within the window."""
    by = (max(0, limit - 1), limit, limit + 1)
    below, at, above = ({series: f"100x20 {100 + more}x40"} for more in by)
    return Case(below=below, at=at, above=above)


def p95(metric: str, labels: str = "") -> Case:
    """100 observations every 15 s; 5 or fewer of them over the threshold are not above p95, 6 are."""
    edges = METRICS[metric].buckets_ms
    edge = edges.index(THRESHOLDS_MS[metric])

    def observed(over: int) -> dict[str, str]:
        series = {}
        for place, upper in enumerate([*edges, float("inf")]):
            each = 0 if place < edge else 100 - over if place == edge else 100
            le = "+Inf" if upper == float("inf") else str(upper)
            series[f'{metric}_bucket{{le="{le}"{labels}}}'] = f"0+{each}x60"
        return series

    return Case(below=observed(1), at=observed(5), above=observed(6))


THRESHOLDS_MS = {
    "workflow_execution_duration_milliseconds": 1_800_000.0,
    "agent_response_duration_milliseconds": 300_000.0,
    "agent_start_duration_milliseconds": 30_000.0,
    "worktree_creation_duration_milliseconds": 60_000.0,
    "event_processing_delay_milliseconds": 5_000.0,
    "db_query_duration_milliseconds": 1_000.0,
    "git_command_duration_milliseconds": 30_000.0,
}
AGENT = 'provider="claude",model="m"'
GIT = 'git_command_failed_total{command="fetch"}'
GIT_ALL = 'git_command_duration_milliseconds_count{command="fetch"}'
UP = 'up{job="workflow-orchestrator"}'
POOL = {"db_connection_pool_size": "10x60"}

CASES = {
    "DatabaseDown": gauge('dependency_failure_streak{dependency="database"}', 0, 2, 3),
    "WorkflowFailureSpike": grown('workflow_failed_total{workflow="a"}', 3),
    "AgentProcessCrash": grown('agent_crash_total{provider="claude",phase="start"}', 0),
    "DiskSpaceCritical": gauge('disk_free_bytes{root="worktree"}', 6 * GB, 5 * GB, 5 * GB - 1),
    "EventBusDown": gauge("event_publish_failure_streak", 0, 4, 5),
    "GitClientFailure": Case(
        below={GIT: "0+4x60", GIT_ALL: "0+10x60"},
        at={GIT: "0+5x60", GIT_ALL: "0+10x60"},
        above={GIT: "0+6x60", GIT_ALL: "0+10x60"},
    ),
    "HighEventLatency": p95("event_processing_delay_milliseconds"),
    "WorkTreeDiskHigh": gauge("worktree_disk_usage_bytes", 1, 50 * GB, 50 * GB + 1),
    "AgentSlowResponse": p95("agent_response_duration_milliseconds", f",{AGENT}"),
    "McpConnectionFlaky": grown('mcp_validation_failure_total{server="github"}', 3),
    "HighQueueDepth": gauge("event_queue_depth", 0, 100, 101),
    "DBConnectionPoolHigh": Case(
        below={**POOL, "db_connection_pool_active": "1x60"},
        at={**POOL, "db_connection_pool_active": "8x60"},
        above={**POOL, "db_connection_pool_active": "9x60"},
    ),
    "DiskSpaceWarning": gauge('disk_free_bytes{root="workflow"}', 21 * GB, 20 * GB, 20 * GB - 1),
    "WorkflowSuccessRateLow": gauge("workflow_success_rate", 1, 0.8, 0.79),
    "WorkflowCompleted": Case(
        below={'workflow_completed_total{workflow="a"}': "0x60"},
        at={'workflow_completed_total{workflow="a"}': "7x60"},
        above={'workflow_completed_total{workflow="a"}': "7x22 8x40"},
    ),
    "CheckpointStale": gauge("checkpoint_invalid_count", 0, 200, 201),
    "ReportStorageGrowing": gauge("report_file_count", 0, 1000, 1001),
    "HighConcurrentWorkflows": gauge("workflow_concurrent_running", 0, 10, 11),
    "WorkflowSlow": p95("workflow_execution_duration_milliseconds", ',workflow="a"'),
    "WorkflowsFailed": gauge('workflow_status_count{status="FAILED"}', 0, 5, 6),
    "AgentErrorRateHigh": gauge("agent_error_rate", 0, 0.1, 0.11),
    "HighConcurrentAgents": gauge("agent_concurrent_count", 0, 20, 21),
    "AgentSlowStart": p95("agent_start_duration_milliseconds", f",{AGENT}"),
    "AgentErrorSpike": grown(f'agent_error_total{{{AGENT},error_type="timeout"}}', 5),
    "WorkTreeCountHigh": gauge("worktree_active_count", 0, 50, 51),
    "WorkTreeSlowCreation": p95("worktree_creation_duration_milliseconds"),
    "ReportDiskHigh": gauge("report_disk_usage_bytes", 0, 5 * GB, 5 * GB + 1),
    "WorkSpaceCountHigh": gauge("workspace_active_count", 0, 100, 101),
    "CheckpointCountHigh": gauge("checkpoint_count", 0, 500, 501),
    "EventHandlerErrors": grown('event_handler_error_total{handler="triggers"}', 3),
    "McpValidationFailures": grown('mcp_validation_failure_total{server="github"}', 5),
    "DatabaseSlow": p95("db_query_duration_milliseconds", ',operation="commit"'),
    "GitSlow": p95("git_command_duration_milliseconds", ',command="fetch"'),
    "OperationsServerDown": Case(
        below={UP: "1x60"},
        # Down for 45 s, and for a minute and a half.
        at={UP: "1x21 0x2"},
        above={UP: "1x17 0x40"},
    ),
    "DependencyDown": gauge('dependency_failure_streak{dependency="gitClient"}', 0, 2, 3),
}


def test_every_alert_has_a_case() -> None:
    assert sorted(CASES) == sorted(ALERTS)


@pytest.mark.parametrize("alert", CASES)
def test_it_fires_above_its_threshold_only(alert: str, tmp_path: Path) -> None:
    case = CASES[alert]
    shown = [(case.below, 0), (case.at, 0), (case.above, 1)]
    answer = promtool([asked(alert, series, firing, minutes=case.minutes) for series, firing in shown], tmp_path)

    assert answer == "", alert


CRASHES = 'agent_crash_total{provider="claude",phase="start"}'
FAILURES = 'workflow_failed_total{workflow="a"}'


@pytest.mark.parametrize(
    ("alert", "series", "firing"),
    [
        pytest.param("AgentProcessCrash", {CRASHES: "_x20 1x40", UP: "1x60"}, 1, id="a series that begins with 1 grew"),
        pytest.param(
            "AgentProcessCrash", {CRASHES: "_x20 9x40", UP: "_x20 1x40"}, 0, id="a new Prometheus saw nothing"
        ),
        pytest.param("WorkflowFailureSpike", {FAILURES: "9x18 _x4 9x40", UP: "1x18 0x4 1x40"}, 0, id="after an outage"),
        pytest.param("WorkflowFailureSpike", {FAILURES: "9x4 13x60", UP: "1x60"}, 1, id="four in the window"),
        pytest.param("WorkflowFailureSpike", {FAILURES: "9x2 13x60", UP: "1x60"}, 0, id="four, too long ago"),
        pytest.param(
            "WorkflowFailureSpike",
            {FAILURES: "0x20 2x40", 'workflow_failed_total{workflow="b"}': "0x20 2x40"},
            2,
            id="two workflows together, an alert for each",
        ),
        pytest.param(
            "DependencyDown", {'dependency_failure_streak{dependency="database"}': "9x60"}, 0, id="is critical"
        ),
        pytest.param("WorkflowSuccessRateLow", {"workflow_created_total": "1x60"}, 0, id="no value, no alert"),
    ],
)
def test_an_edge_case(alert: str, series: dict[str, str], firing: int, tmp_path: Path) -> None:
    assert promtool([asked(alert, series, firing)], tmp_path) == ""


def asked(alert: str, series: dict[str, str], firing: int, *, minutes: str = "6m") -> dict[str, Any]:
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": expression, "eval_time": minutes, "exp_samples": [{"labels": "{}", "value": firing}]}
        ],
    }


def promtool(tests: list[dict[str, Any]], folder: Path) -> str:
    """What fails, empty where all is as expected."""
    file = folder / "test.yml"
    file.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(path) for path in sorted(RULES.glob("*.yml"))],
                "evaluation_interval": "15s",
                "tests": tests,
            }
        )
    )
    ended = run("promtool", "test", "rules", file)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_it_says_what_how_bad_and_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]

    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["labels"]["category"]
    assert all(rule["annotations"][name] for name in ("summary", "description"))
    runbook = (ROOT / rule["annotations"]["runbook_url"]).read_text()
    assert [line for line in runbook.splitlines() if line.startswith("## ")] == [
        "## What it means",
        "## What to look at",
        "## What to do",
    ]
    assert f"`{rule['expr']}`" in runbook, "the condition is the rule's"


REQUIRED = {
    "critical": {
        *("DatabaseDown", "WorkflowFailureSpike", "AgentProcessCrash"),
        *("DiskSpaceCritical", "EventBusDown", "GitClientFailure"),
    },
    "warning": {
        *("HighEventLatency", "WorkTreeDiskHigh", "AgentSlowResponse", "McpConnectionFlaky"),
        *("HighQueueDepth", "DBConnectionPoolHigh", "DiskSpaceWarning", "WorkflowSuccessRateLow"),
    },
    "info": {"WorkflowCompleted", "CheckpointStale", "ReportStorageGrowing", "HighConcurrentWorkflows"},
}


@pytest.mark.parametrize("severity", REQUIRED)
def test_the_required_alerts_are_there_at_their_level(severity: str) -> None:
    assert {name for name, rule in ALERTS.items() if rule["labels"]["severity"] == severity} >= REQUIRED[severity]


def test_the_shipped_files_are_valid() -> None:
    checked = run("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    checked = run("amtool", "check-config", DEPLOY / "alertmanager" / "alertmanager.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_goes_to_the_receiver_of_its_level(alert: str) -> None:
    labels = [f"{name}={value}" for name, value in ALERTS[alert]["labels"].items()]
    file = DEPLOY / "alertmanager" / "alertmanager.yml"
    answer = run("amtool", "config", "routes", "test", f"--config.file={file}", f"alertname={alert}", *labels)

    assert answer.stdout.strip() == ALERTS[alert]["labels"]["severity"], answer.stderr


def test_the_receivers_are_those_of_each_level_and_no_secret_is_in_the_file() -> None:
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text()
    config = yaml.safe_load(text)
    kinds = {receiver["name"]: {key for key in receiver if key != "name"} for receiver in config["receivers"]}

    assert kinds == {
        "critical": {"pagerduty_configs", "slack_configs", "webhook_configs"},
        "warning": {"slack_configs", "email_configs"},
        "info": {"slack_configs"},
    }
    assert config["route"]["group_by"] == ["workflow"]
    (inhibition,) = config["inhibit_rules"]
    assert inhibition["equal"] == ["category"]
    for word in ("api_url:", "routing_key:", "service_key:", "auth_password:", "credentials:", "bearer_token:"):
        assert word not in text
