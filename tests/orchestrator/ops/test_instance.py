"""The Dagster instance that is rendered from the settings."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml

from orchestrator.domain.errors import SettingsError
from orchestrator.ops.instance import instance_environment, prepare_instance
from orchestrator.settings import load_settings
from orchestrator_defs.event_log import PooledSqliteEventLogStorage


@dg.asset
def _report() -> int:
    return 1


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


def test_the_event_log_lies_where_a_home_made_without_us_has_it(tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as plain:
        run_id = dg.materialize([_report], instance=plain).run_id
    settings = load_settings({"ORCHESTRATOR_HOME": str(tmp_path), "DAGSTER_HOME": str(home)})
    with dg.DagsterInstance.from_config(str(prepare_instance(settings))) as instance:
        assert type(instance.event_log_storage) is PooledSqliteEventLogStorage
        assert instance.get_latest_materialization_event(dg.AssetKey("_report")) is not None
        assert instance.all_logs(run_id)


def test_a_postgresql_password_is_not_written_to_the_file(tmp_path: Path) -> None:
    url = "postgresql://user:geheim1234@localhost:5432/workflows"
    settings = load_settings({"ORCHESTRATOR_HOME": str(tmp_path), "DATABASE_URL": url})
    text = (prepare_instance(settings) / "dagster.yaml").read_text()
    assert "geheim1234" not in text
    assert yaml.safe_load(text)["storage"] == {"postgres": {"postgres_url": {"env": "DATABASE_URL"}}}
    assert "event_log_storage" not in yaml.safe_load(text), "Dagster refuses both"
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
