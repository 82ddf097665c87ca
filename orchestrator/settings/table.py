"""The table of requirements section 8: a field of `Settings` is a variable and bears its name, in lower case."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

from orchestrator.settings import values as as_

WEBHOOK_SECRET = "WEBHOOK_SECRET_"  # noqa: S105 — the start of a variable's name


class Variable(NamedTuple):
    """How a variable is read, and what it is when unset.

    Attributes:
        default: text as it would stand in the environment; `{name}` stands for a variable above it.
        required: the default serves development only, elsewhere the variable must be set.
    """

    kind: as_.Kind[Any]
    default: str | None = None
    required: bool = False


class Row(NamedTuple):
    """One line of `Settings.describe`: the value as a person may see it, '' where there is none."""

    variable: str
    value: str
    source: Literal["default", "environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the process was told, checked. Paths are absolute; numbers in the unit of their name.

    Attributes:
        database_url: for SQLAlchemy: `sqlite:////…` or `postgresql…://…`.
        git_clone_depth: commits that a mirror holds; 0 = all.
        workflow_specs_path: a folder with more specs, beside those of the image.
        auto_resume: a Workflow paused by a shutdown resumes by itself after the restart.
        agent_sandbox: `auto` where the machine can, `required` or refuse to start, `off`.
        mcp_servers_path: the file of registered MCP servers; it need not be there.
        masking_config_path: replaces the shipped masking rules.
        webhook_secrets: by source in lower case, from `WEBHOOK_SECRET_<SOURCE>`.
        warnings: for a person: variables that look misspelt, combinations that work and are hardly meant.
        from_environment: names of the variables that were set; the others hold their default.
    """

    app_env: Annotated[
        Literal["development", "staging", "production"],
        Variable(as_.one_of("development", "staging", "production"), "development"),
    ]
    port: Annotated[int, Variable(as_.PORT, "3000")]
    app_version: Annotated[str, Variable(as_.TEXT, "{installed_version}")]
    log_level: Annotated[
        Literal["error", "warn", "info", "debug"], Variable(as_.one_of("error", "warn", "info", "debug"), "info")
    ]
    shutdown_timeout_ms: Annotated[int, Variable(as_.POSITIVE, "60000")]
    orchestrator_home: Annotated[Path, Variable(as_.PATH, ".orchestrator")]

    database_url: Annotated[
        str, Variable(as_.DATABASE_URL, "sqlite:///{orchestrator_home}/orchestrator.db", required=True)
    ] = field(repr=False)
    database_pool_min: Annotated[int, Variable(as_.POSITIVE, "2")]
    database_pool_max: Annotated[int, Variable(as_.POSITIVE, "10")]
    database_connection_timeout_ms: Annotated[int, Variable(as_.POSITIVE, "5000")]

    git_root_path: Annotated[Path, Variable(as_.PATH, "{orchestrator_home}/git", required=True)]
    worktree_root_path: Annotated[Path, Variable(as_.PATH, "{orchestrator_home}/worktrees", required=True)]
    git_command_timeout_ms: Annotated[int, Variable(as_.POSITIVE, "120000")]
    git_clone_depth: Annotated[int, Variable(as_.COUNT, "0")]

    workflow_root_path: Annotated[Path, Variable(as_.PATH, "{orchestrator_home}/workflows", required=True)]
    workflow_specs_path: Annotated[Path | None, Variable(as_.PATH)]
    workflow_max_concurrent: Annotated[int, Variable(as_.POSITIVE, "10")]
    worktree_cleanup_ttl_hours: Annotated[int, Variable(as_.COUNT, "24")]
    failed_worktree_ttl_hours: Annotated[int, Variable(as_.COUNT, "168")]
    report_archive_days: Annotated[int, Variable(as_.COUNT, "7")]
    report_delete_days: Annotated[int, Variable(as_.COUNT, "30")]
    checkpoint_cleanup_days: Annotated[int, Variable(as_.COUNT, "7")]
    auto_resume: Annotated[bool, Variable(as_.BOOLEAN, "true")]

    agent_start_timeout_ms: Annotated[int, Variable(as_.POSITIVE, "30000")]
    agent_query_timeout_ms: Annotated[int, Variable(as_.POSITIVE, "600000")]
    agent_stop_timeout_ms: Annotated[int, Variable(as_.POSITIVE, "30000")]
    agent_max_concurrent: Annotated[int, Variable(as_.POSITIVE, "20")]
    agent_sandbox: Annotated[
        Literal["auto", "required", "off"], Variable(as_.one_of("auto", "required", "off"), "auto")
    ]

    event_bus_type: Annotated[Literal["in-memory", "redis"], Variable(as_.one_of("in-memory", "redis"), "in-memory")]
    redis_url: Annotated[str | None, Variable(as_.REDIS_URL)] = field(repr=False)
    event_retry_max_attempts: Annotated[int, Variable(as_.POSITIVE, "3")]
    event_retry_delay_ms: Annotated[int, Variable(as_.COUNT, "1000")]
    notify_urls: Annotated[tuple[str, ...] | None, Variable(as_.ADDRESSES)] = field(repr=False)

    mcp_validation_timeout_ms: Annotated[int, Variable(as_.POSITIVE, "10000")]
    mcp_max_servers: Annotated[int, Variable(as_.POSITIVE, "50")]
    mcp_servers_path: Annotated[Path, Variable(as_.PATH, "{orchestrator_home}/mcp_servers.yaml")]

    otel_enabled: Annotated[bool, Variable(as_.BOOLEAN, "false")]
    otel_exporter_otlp_endpoint: Annotated[str | None, Variable(as_.HTTP_URL)] = field(repr=False)
    metrics_enabled: Annotated[bool, Variable(as_.BOOLEAN, "true")]
    metrics_path: Annotated[str, Variable(as_.URL_PATH, "/metrics")]
    health_check_interval_ms: Annotated[int, Variable(as_.POSITIVE, "30000")]
    masking_config_path: Annotated[Path | None, Variable(as_.PATH)]

    cleanup_schedule_cron: Annotated[str, Variable(as_.CRON, "0 * * * *")]
    disk_warning_threshold_gb: Annotated[float, Variable(as_.GIGABYTES, "20")]
    disk_critical_threshold_gb: Annotated[float, Variable(as_.GIGABYTES, "5")]
    worktree_disk_limit_gb: Annotated[float, Variable(as_.GIGABYTES, "50")]
    archive_root_path: Annotated[Path, Variable(as_.PATH, "{workflow_root_path}/archive")]

    dagster_home: Annotated[Path, Variable(as_.PATH, "{orchestrator_home}/dagster")]
    dagster_ui_port: Annotated[int, Variable(as_.PORT, "3001")]

    webhook_secrets: Mapping[str, str] = field(repr=False)
    warnings: tuple[str, ...]
    from_environment: frozenset[str]

    def describe(self) -> list[Row]:
        """Every variable, in the order of the table, credentials masked."""
        rows = [
            Row(
                variable=name,
                value=variable.kind.show(_as_text(getattr(self, name.lower()))),
                source="environment" if name in self.from_environment else "default",
            )
            for name, variable in VARIABLES.items()
        ]
        secrets = [WEBHOOK_SECRET + source.upper() for source in sorted(self.webhook_secrets)]
        return rows + [Row(variable=name, value="***", source="environment") for name in secrets]


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _variables() -> Mapping[str, Variable]:
    hints = get_type_hints(Settings, include_extras=True)
    return {
        name.upper(): part
        for name, hint in hints.items()
        for part in getattr(hint, "__metadata__", ())
        if isinstance(part, Variable)
    }


VARIABLES = _variables()
