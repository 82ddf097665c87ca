"""The Dagster instance: its `dagster.yaml`, rendered from the settings, and the environment its processes share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from orchestrator.domain.errors import SettingsError
from orchestrator.engine.files import write_whole
from orchestrator.settings import Settings
from orchestrator.store.urls import database_url

# Without this line the file is the operator's own and is left alone.
MARK = "# Rendered from the settings; without this line the file is yours and is not written again.\n"
_TEMPLATES = (
    Path(__file__).parent / "dagster.yaml",  # in an installed package
    Path(__file__).parent.parent.parent / "dagster.yaml",  # in a checkout
)


def prepare_instance(settings: Settings) -> Path:
    """Render `dagster.yaml` into DAGSTER_HOME unless an operator's own stands there; return DAGSTER_HOME."""
    home = settings.dagster_home
    file = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        text = render(settings)
        if not file.exists() or (file.read_text().startswith(MARK) and file.read_text() != text):
            write_whole(file, text)
    except OSError as error:
        raise SettingsError([f"DAGSTER_HOME={home}: expected a writable folder ({error.strerror})"]) from error
    return home


def render(settings: Settings) -> str:
    """The template with the limits and the storage that the settings name. No secret is written: Dagster reads the
    database's address from the environment."""
    template = next(path for path in _TEMPLATES if path.exists())
    instance: dict[str, Any] = yaml.safe_load(template.read_text())
    limits = instance["run_coordinator"]["config"]["tag_concurrency_limits"]
    limits[0]["limit"] = settings.workflow_max_concurrent
    instance["concurrency"]["pools"]["default_limit"] = settings.agent_max_concurrent
    if settings.database_url.startswith("postgresql"):
        instance["storage"] = {"postgres": {"postgres_url": {"env": "DATABASE_URL"}}}
    else:
        instance["event_log_storage"] = {
            "module": "orchestrator_defs.event_log",
            "class": "PooledSqliteEventLogStorage",
            # Where Dagster's default has it, so that a home keeps its history.
            "config": {"base_dir": str(settings.dagster_home / "history" / "runs")},
        }
    return MARK + yaml.safe_dump(instance, sort_keys=False)


def instance_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with what every process of the system must agree on, in absolute terms."""
    return {
        **os.environ,
        "DAGSTER_HOME": str(settings.dagster_home),
        "ORCHESTRATOR_HOME": str(settings.orchestrator_home),
        # With its driver: Dagster's library fails on a bare `postgresql://`, for which SQLAlchemy picks another one.
        "DATABASE_URL": database_url(settings.database_url).render_as_string(hide_password=False),
        # Dagster's own lines go through the root logger that our code configures; nothing calls home.
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }
