from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.domain.errors import SettingsError
from orchestrator.settings import Settings, load_settings, prepare_folders

ENV_FILES = Path(__file__).parents[2] / "deploy" / "env"
PRODUCTION = {
    "APP_ENV": "production",
    "DATABASE_URL": "postgresql://u:hunter2@db:5432/orc",
    "GIT_ROOT_PATH": "/data/git",
    "WORKTREE_ROOT_PATH": "/data/worktrees",
    "WORKFLOW_ROOT_PATH": "/data/workflows",
    "EVENT_BUS_TYPE": "redis",
    "REDIS_URL": "redis://:hunter2@redis:6379/0",
}


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems_of(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return list(caught.value.problems)


def test_development_runs_with_nothing_set_on_one_data_folder_in_the_working_directory(tmp_path: Path) -> None:
    home = tmp_path / ".orchestrator"
    settings = load_settings({})
    assert settings.app_env == "development"
    assert settings.orchestrator_home == home
    assert settings.database_url == f"sqlite:///{home}/orchestrator.db"
    assert settings.git_root_path == home / "git"
    assert settings.worktree_root_path == home / "worktrees"
    assert settings.workflow_root_path == home / "workflows"
    assert settings.archive_root_path == home / "workflows" / "archive"
    assert settings.dagster_home == home / "dagster"
    assert settings.warnings == ()


# The table of requirements section 8, written out a second time: a default that changes must change here too.
DEFAULTS = {
    "APP_ENV": "development", "PORT": "3000", "LOG_LEVEL": "info", "SHUTDOWN_TIMEOUT_MS": "60000",
    "DATABASE_POOL_MIN": "2", "DATABASE_POOL_MAX": "10", "DATABASE_CONNECTION_TIMEOUT_MS": "5000",
    "GIT_COMMAND_TIMEOUT_MS": "120000", "GIT_CLONE_DEPTH": "0",
    "WORKFLOW_MAX_CONCURRENT": "10", "WORKTREE_CLEANUP_TTL_HOURS": "24", "REPORT_ARCHIVE_DAYS": "7",
    "REPORT_DELETE_DAYS": "30", "CHECKPOINT_CLEANUP_DAYS": "7",
    "AGENT_START_TIMEOUT_MS": "30000", "AGENT_QUERY_TIMEOUT_MS": "600000", "AGENT_STOP_TIMEOUT_MS": "30000",
    "AGENT_MAX_CONCURRENT": "20",
    "EVENT_BUS_TYPE": "in-memory", "REDIS_URL": "", "EVENT_RETRY_MAX_ATTEMPTS": "3", "EVENT_RETRY_DELAY_MS": "1000",
    "NOTIFY_URLS": "",
    "MCP_VALIDATION_TIMEOUT_MS": "10000", "MCP_MAX_SERVERS": "50",
    "OTEL_ENABLED": "false", "OTEL_EXPORTER_OTLP_ENDPOINT": "", "METRICS_ENABLED": "true", "METRICS_PATH": "/metrics",
    "HEALTH_CHECK_INTERVAL_MS": "30000",
    "CLEANUP_SCHEDULE_CRON": "0 * * * *", "DISK_WARNING_THRESHOLD_GB": "20", "DISK_CRITICAL_THRESHOLD_GB": "5",
    "WORKFLOW_SPECS_PATH": "", "MASKING_CONFIG_PATH": "", "AUTO_RESUME": "true", "AGENT_SANDBOX": "auto",
    "WORKTREE_DISK_LIMIT_GB": "50", "FAILED_WORKTREE_TTL_HOURS": "168", "DAGSTER_UI_PORT": "3001",
}  # fmt: skip
IN_THE_DATA_FOLDER = {
    "ORCHESTRATOR_HOME", "DATABASE_URL", "GIT_ROOT_PATH", "WORKTREE_ROOT_PATH", "WORKFLOW_ROOT_PATH",
    "ARCHIVE_ROOT_PATH", "DAGSTER_HOME", "MCP_SERVERS_PATH",
}  # fmt: skip


def test_every_variable_has_the_default_of_the_requirements() -> None:
    described = {row.variable: row.value for row in load_settings({}).describe()}
    assert described.pop("APP_VERSION")
    assert {name: described.pop(name) for name in DEFAULTS} == DEFAULTS
    assert set(described) == IN_THE_DATA_FOLDER


def test_describe_tells_what_was_set_from_what_is_a_default_and_hides_credentials() -> None:
    settings = load_settings({**PRODUCTION, "WEBHOOK_SECRET_GITHUB": "webhook-hunter2", "PORT": "8080"})
    rows = {row.variable: (row.value, row.source) for row in settings.describe()}
    assert rows["PORT"] == ("8080", "environment")
    assert rows["LOG_LEVEL"] == ("info", "default")
    assert rows["DATABASE_URL"] == ("postgresql://***@db:5432/orc", "environment")
    assert rows["REDIS_URL"] == ("redis://***@redis:6379/0", "environment")
    assert rows["WEBHOOK_SECRET_GITHUB"] == ("***", "environment")
    assert settings.webhook_secrets == {"github": "webhook-hunter2"}
    assert "hunter2" not in repr(settings) + str(rows)


@pytest.mark.parametrize("app_env", ["staging", "production"])
@pytest.mark.parametrize("name", ["DATABASE_URL", "GIT_ROOT_PATH", "WORKTREE_ROOT_PATH", "WORKFLOW_ROOT_PATH"])
def test_staging_and_production_name_each_required_variable_that_is_missing(app_env: str, name: str) -> None:
    environ = {key: value for key, value in PRODUCTION.items() if key != name} | {"APP_ENV": app_env}
    (problem,) = problems_of(**environ)
    assert problem.startswith(f"{name} is not set: expected ")
    assert f"APP_ENV={app_env}" in problem


def test_a_missing_variable_comes_with_what_may_be_its_misspelling() -> None:
    environ = {**PRODUCTION, "DATABSE_URL": PRODUCTION["DATABASE_URL"]}
    del environ["DATABASE_URL"]
    missing, misspelt = problems_of(**environ)
    assert missing.startswith("DATABASE_URL is not set")
    assert misspelt == "DATABSE_URL is not a setting; did you mean DATABASE_URL?"


def test_every_problem_is_named_at_once() -> None:
    named = problems_of(PORT="http", LOG_LEVEL="loud", OTEL_ENABLED="maybe", METRICS_PATH="metrics")
    assert named == [
        'PORT="http": expected a port, 1 to 65535',
        'LOG_LEVEL="loud": expected one of error, warn, info, debug',
        'OTEL_ENABLED="maybe": expected true or false (also 1/0, yes/no, on/off)',
        'METRICS_PATH="metrics": expected a path that starts with /, such as /metrics',
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "30_00"),
        ("DAGSTER_UI_PORT", "3001.0"),
        ("DATABASE_POOL_MAX", "0"),
        ("DATABASE_POOL_MAX", "-5"),
        ("AGENT_MAX_CONCURRENT", "٣"),
        ("GIT_CLONE_DEPTH", "-1"),
        ("AGENT_QUERY_TIMEOUT_MS", "99999999999"),
        ("DISK_WARNING_THRESHOLD_GB", "inf"),
        ("WORKTREE_DISK_LIMIT_GB", "0"),
        ("CLEANUP_SCHEDULE_CRON", "hourly"),
        ("CLEANUP_SCHEDULE_CRON", "61 * * * *"),
        ("CLEANUP_SCHEDULE_CRON", "0 0 * * * *"),
        ("CLEANUP_SCHEDULE_CRON", "0 0 31 2,4 *"),
        ("METRICS_PATH", "/"),
        ("METRICS_PATH", "/metrics?x"),
        ("METRICS_PATH", "/health"),
        ("AGENT_SANDBOX", "maybe"),
        ("EVENT_BUS_TYPE", "kafka"),
        ("DATABASE_URL", "mysql://h/d"),
        ("DATABASE_URL", "postgresql://host"),
        ("DATABASE_URL", "postgresql:///"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "postgresql://u:${DB_PASSWORD}@h/d"),
        ("REDIS_URL", "http://redis"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel-collector:4318"),
        ("GIT_ROOT_PATH", "${HOME}/git"),
    ],
)
def test_a_malformed_value_is_named_with_what_is_expected(name: str, text: str) -> None:
    (problem,) = problems_of(**{name: text})
    assert problem.startswith(f'{name}="')
    assert "expected " in problem


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"DATABASE_POOL_MIN": "11"}, ("DATABASE_POOL_MIN", "DATABASE_POOL_MAX")),
        ({"REPORT_ARCHIVE_DAYS": "31"}, ("REPORT_ARCHIVE_DAYS", "REPORT_DELETE_DAYS")),
        ({"DISK_CRITICAL_THRESHOLD_GB": "20"}, ("DISK_CRITICAL_THRESHOLD_GB", "DISK_WARNING_THRESHOLD_GB")),
        ({"PORT": "3001"}, ("PORT", "DAGSTER_UI_PORT")),
        ({"EVENT_BUS_TYPE": "redis"}, ("REDIS_URL", "EVENT_BUS_TYPE")),
        ({"OTEL_ENABLED": "yes"}, ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENABLED")),
        ({"WORKTREE_ROOT_PATH": ".orchestrator/git/trees"}, ("WORKTREE_ROOT_PATH", "GIT_ROOT_PATH")),
        ({"GIT_ROOT_PATH": "/d/x", "WORKTREE_ROOT_PATH": "/d/y/../x"}, ("WORKTREE_ROOT_PATH", "GIT_ROOT_PATH")),
        ({"ARCHIVE_ROOT_PATH": ".orchestrator/workflows"}, ("ARCHIVE_ROOT_PATH", "WORKFLOW_ROOT_PATH")),
        ({"DAGSTER_HOME": ".orchestrator/worktrees/d"}, ("DAGSTER_HOME", "WORKTREE_ROOT_PATH")),
    ],
)
def test_settings_that_contradict_each_other_are_named_together(
    environ: dict[str, str], named: tuple[str, ...]
) -> None:
    (problem,) = problems_of(**environ)
    assert all(name in problem for name in named)


def test_an_archive_outside_the_workflow_root_and_roots_whose_names_begin_alike_are_fine() -> None:
    load_settings({"ARCHIVE_ROOT_PATH": "/archive"})
    load_settings({"GIT_ROOT_PATH": "/data/git", "WORKTREE_ROOT_PATH": "/data/git-trees"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_URL", "postgres://user:sesame@host:port/db"),
        ("DATABASE_URL", "postgres://user:sesame/open@host/db"),
        ("DATABASE_URL", "mysql://user:ses@me@host/db"),
        ("DATABASE_URL", "mysql://host/db?password=sesame"),
        ("DATABASE_URL", "sesame"),
        ("REDIS_URL", "redis://:sesame"),
        ("REDIS_URL", "redis:sesame"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:sesame@host"),
    ],
)
def test_a_malformed_url_is_shown_without_its_credentials(name: str, text: str) -> None:
    (problem,) = problems_of(**{name: text})
    assert "sesame" not in problem
    assert "me@" not in problem
    assert "***" in problem


def test_node_env_stands_in_for_app_env_and_is_the_one_named() -> None:
    assert load_settings({"NODE_ENV": "development"}).app_env == "development"
    assert load_settings({"NODE_ENV": "nonsense", "APP_ENV": "development"}).app_env == "development"
    assert problems_of(NODE_ENV="test") == ['NODE_ENV="test": expected one of development, staging, production']


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("file:./dev.db", "sqlite:///{cwd}/dev.db"),
        ("sqlite:///dev.db", "sqlite:///{cwd}/dev.db"),
        ("sqlite:////data/dev.db", "sqlite:////data/dev.db"),
        ("file:/data/dev.db?timeout=5", "sqlite:////data/dev.db?timeout=5"),
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql+psycopg2://u:p%40@h:5/d?sslmode=require", "postgresql+psycopg2://u:p%40@h:5/d?sslmode=require"),
        ("postgresql:///d?host=/run/postgresql", "postgresql:///d?host=/run/postgresql"),
    ],
)
def test_the_database_url_is_read_in_every_form_and_a_relative_file_made_absolute(
    text: str, url: str, tmp_path: Path
) -> None:
    assert load_settings({"DATABASE_URL": text}).database_url == url.format(cwd=tmp_path)


def test_an_empty_value_counts_as_unset() -> None:
    assert load_settings({"PORT": "", "REDIS_URL": "  ", "APP_ENV": ""}) == load_settings({})


def test_a_name_that_is_nearly_a_setting_is_a_warning_and_those_of_other_programs_are_not() -> None:
    others = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "x", "GIT_TERMINAL_PROMPT": "0", "HOST": "h", "PATH": "/bin"}
    settings = load_settings({**others, "WORKFLOW_MAX_CONCURENT": "3"})
    assert settings.warnings == ("WORKFLOW_MAX_CONCURENT is not a setting; did you mean WORKFLOW_MAX_CONCURRENT?",)


def test_sqlite_or_the_in_memory_bus_in_production_are_warnings() -> None:
    warnings = load_settings({**PRODUCTION, "DATABASE_URL": "file:/data/x.db", "EVENT_BUS_TYPE": "in-memory"}).warnings
    assert [warning.split()[0] for warning in warnings] == ["DATABASE_URL", "EVENT_BUS_TYPE"]


def test_prepare_folders_makes_them_writes_in_them_and_keeps_the_home_to_its_owner(tmp_path: Path) -> None:
    settings = load_settings({"DATABASE_URL": "file:db/x.db", "ORCHESTRATOR_HOME": "home"})
    prepare_folders(settings)
    prepare_folders(settings)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    folders = [settings.git_root_path, settings.archive_root_path, settings.dagster_home, tmp_path / "db"]
    assert all(folder.is_dir() and not [file for file in folder.iterdir() if file.is_file()] for folder in folders)


def test_a_folder_that_cannot_be_used_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    # /proc takes no files, not even from root, for whom permissions do not count.
    environ = {"GIT_ROOT_PATH": "occupied", "WORKTREE_ROOT_PATH": "/proc", "WORKFLOW_SPECS_PATH": "nowhere"}
    with pytest.raises(SettingsError) as caught:
        prepare_folders(load_settings(environ))
    git, worktrees, specs = caught.value.problems
    assert git.startswith(f"GIT_ROOT_PATH: cannot write in {tmp_path / 'occupied'} (File exists)")
    assert worktrees.startswith("WORKTREE_ROOT_PATH: cannot write in /proc (")
    assert specs == f"WORKFLOW_SPECS_PATH: no folder at {tmp_path / 'nowhere'}; make it or unset the variable"


def sourced(file: Path, **environ: str) -> Settings:
    """The settings of a process whose environment a shell read from `file`."""
    shown = subprocess.run(
        ["sh", "-c", 'set -a; . "$1"; exec env -0', "sh", str(file)],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        check=True,
        text=True,
    )
    return load_settings(dict(line.split("=", 1) for line in shown.stdout.split("\0") if line))


def test_the_development_file_gives_the_embedded_defaults_at_level_debug() -> None:
    given, default = sourced(ENV_FILES / "development.env"), load_settings({"LOG_LEVEL": "debug"})
    assert [row[:2] for row in given.describe()] == [row[:2] for row in default.describe()]
    assert given.warnings == ()


def test_the_production_file_needs_only_the_passwords_and_holds_none() -> None:
    settings = sourced(ENV_FILES / "production.env", DB_PASSWORD="p1", REDIS_PASSWORD="p2")
    assert settings.database_url == "postgresql://orchestrator:p1@db-host:5432/orchestrator"
    assert settings.redis_url == "redis://:p2@redis-host:6379/0"
    assert settings.database_pool_max == 20
    assert str(settings.git_root_path) == "/data/git"
    assert (settings.otel_enabled, settings.otel_exporter_otlp_endpoint) == (True, "http://otel-collector:4318")
    assert settings.warnings == ()


def test_the_production_file_read_without_expansion_is_refused() -> None:
    lines = (ENV_FILES / "production.env").read_text().splitlines()
    environ = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert [problem.split("=")[0] for problem in problems_of(**environ)] == ["DATABASE_URL", "REDIS_URL"]


def test_importing_the_settings_loads_no_heavy_library() -> None:
    program = (
        "import sys, orchestrator.settings; print(*{'pydantic', 'structlog', 'dagster', 'sqlalchemy'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "\n"
