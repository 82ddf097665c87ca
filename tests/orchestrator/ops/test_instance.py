"""The Dagster instance that is rendered from the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orchestrator.domain.errors import SettingsError
from orchestrator.ops.instance import instance_environment, prepare_instance
from orchestrator.settings import load_settings


def test_limits_come_from_the_settings(tmp_path: Path) -> None:
    settings = load_settings(
        {"ORCHESTRATOR_HOME": str(tmp_path), "WORKFLOW_MAX_CONCURRENT": "3", "AGENT_MAX_CONCURRENT": "7"}
    )
    instance = yaml.safe_load((prepare_instance(settings) / "dagster.yaml").read_text())
    coordinator = instance["run_coordinator"]["config"]
    assert coordinator["tag_concurrency_limits"] == [{"key": "orchestrator/workflow_id", "limit": 3}]
    assert coordinator["max_concurrent_runs"] == -1, "maintenance is not held up"
    assert instance["concurrency"]["pools"] == {"granularity": "op", "default_limit": 7}
    assert "storage" not in instance, "SQLite files in DAGSTER_HOME are Dagster's default"


def test_a_postgresql_password_is_not_written_to_the_file(tmp_path: Path) -> None:
    url = "postgresql://user:geheim1234@localhost:5432/workflows"
    settings = load_settings({"ORCHESTRATOR_HOME": str(tmp_path), "DATABASE_URL": url})
    text = (prepare_instance(settings) / "dagster.yaml").read_text()
    assert "geheim1234" not in text
    assert yaml.safe_load(text)["storage"] == {"postgres": {"postgres_url": {"env": "DATABASE_URL"}}}
    # A bare `postgresql://` would have SQLAlchemy look for a driver that is not there.
    assert instance_environment(settings)["DATABASE_URL"].startswith("postgresql+psycopg2://user:geheim1234@")


def test_a_changed_setting_is_taken_but_an_operators_own_file_is_left_alone(tmp_path: Path) -> None:
    settings = load_settings({"ORCHESTRATOR_HOME": str(tmp_path)})
    file = prepare_instance(settings) / "dagster.yaml"
    changed = load_settings({"ORCHESTRATOR_HOME": str(tmp_path), "WORKFLOW_MAX_CONCURRENT": "4"})
    prepare_instance(changed)
    assert "limit: 4" in file.read_text()

    file.write_text("telemetry: {enabled: false}\n")
    prepare_instance(changed)
    assert file.read_text() == "telemetry: {enabled: false}\n"


def test_a_folder_that_cannot_be_made_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = load_settings({"ORCHESTRATOR_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "file" / "dagster")})
    with pytest.raises(SettingsError, match=r"DAGSTER_HOME=.*/file/dagster: expected a writable folder"):
        prepare_instance(settings)
