"""The job `cleanup`, its schedule, and Dagster's own history in bounds."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from orchestrator.domain import tags
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.delete import delete
from orchestrator.engine.engine import open_engine
from orchestrator.settings import load_settings
from orchestrator_defs.cleanup import cleanup, cleanup_job
from orchestrator_defs.history import prune_history
from orchestrator_defs.logger import JSON_LOGGER, json_logger
from resources.engine import EngineResource
from schedules.retention import cleanup_schedule
from tests.orchestrator_defs.world import World


def definitions() -> dg.Definitions:
    return dg.Definitions(
        assets=[cleanup],
        jobs=[cleanup_job],
        schedules=[cleanup_schedule(load_settings())],
        resources={"engine": EngineResource()},
        loggers={JSON_LOGGER: json_logger},
    )


def test_a_run_of_the_job_is_a_point_of_the_asset_with_numbers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKTREE_CLEANUP_TTL_HOURS", "0")
    world.execute(world.job())
    result = definitions().resolve_job_def("cleanup").execute_in_process(instance=world.instance)
    assert result.success
    (event,) = result.asset_materializations_for_node("retention__cleanup")
    numbers = {name: value.value for name, value in event.metadata.items()}
    assert numbers["worktrees_removed"] == 2
    assert isinstance(numbers["freed_bytes"], int)
    assert numbers["freed_bytes"] > 0
    assert isinstance(numbers["seconds"], float)
    assert (numbers["problems"], numbers["dry_run"]) == (0, False)


def test_a_dry_run_is_asked_for_by_config(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKTREE_CLEANUP_TTL_HOURS", "0")
    world.execute(world.job())
    job = definitions().resolve_job_def("cleanup")
    for _ in range(2):
        result = job.execute_in_process(instance=world.instance, run_config={"dry_run": True})
        (event,) = result.asset_materializations_for_node("retention__cleanup")
        assert event.metadata["worktrees_removed"].value == 2
        assert event.metadata["dry_run"].value is True


def test_the_schedule_is_that_of_the_settings_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANUP_SCHEDULE_CRON", "7 3 * * *")
    schedule = cleanup_schedule(load_settings())
    assert (schedule.cron_schedule, schedule.job_name) == ("7 3 * * *", "cleanup")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_runs_and_logs_of_a_deleted_workflow_go_and_those_of_others_stay(world: World) -> None:
    job = world.job()
    gone, kept = world.execute(job), world.execute(job)
    engine = open_engine(load_settings())
    rows = engine.store.read(lambda reader: reader.workflows())
    by_run = {row.run_id: row.id for row in rows}
    assert {row.status for row in rows} == {WorkflowStatus.COMPLETED}
    for result in (gone, kept):
        world.instance.add_run_tags(result.run_id, {tags.WORKFLOW_ID_TAG: by_run[result.run_id]})
    logs = Path(world.instance.compute_log_manager._base_dir) / gone.run_id  # type: ignore[attr-defined]
    logs.mkdir(parents=True, exist_ok=True)
    shard = Path(world.instance.event_log_storage._base_dir) / f"{gone.run_id}.db"  # type: ignore[attr-defined]
    assert shard.exists()
    delete(engine, workflow_id=by_run[gone.run_id])

    assert prune_history(world.instance, engine) == 1

    assert world.instance.get_run_by_id(gone.run_id) is None
    assert not logs.exists()
    assert not shard.exists()
    assert world.instance.get_run_by_id(kept.run_id) is not None
    assert world.instance.all_logs(kept.run_id)
    assert prune_history(world.instance, engine) == 0
    engine.store.close()


def test_below_the_critical_threshold_no_workflow_leaves_the_queue(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator = world.instance.run_coordinator
    config = coordinator.get_run_queue_config()  # type: ignore[attr-defined]
    assert [limit["limit"] for limit in config.tag_concurrency_limits] == [10]
    monkeypatch.setattr("orchestrator_defs.coordinator.disk_is_critical", lambda settings: True)
    config = coordinator.get_run_queue_config()  # type: ignore[attr-defined]
    counter = dg._utils.tags.TagConcurrencyLimitsCounter(config.tag_concurrency_limits, [])
    run = world.submit(world.job(), inputs={"focus": "x"})
    assert counter.is_blocked(run)
    other = dg.DagsterRun(job_name="cleanup", tags={})
    assert not counter.is_blocked(other)


def test_the_code_location_has_job_schedule_and_sensors(world: World) -> None:
    from orchestrator_defs.definitions import build

    built = build(load_settings())
    repository = built.get_repository_def()
    assert repository.get_job("cleanup").name == "cleanup"
    assert repository.has_schedule_def("cleanup_schedule")
    assert repository.has_sensor_def("disk_monitor")
    assert repository.has_sensor_def("stale_checkpoints")
