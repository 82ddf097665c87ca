"""What launches the clean-up before its time."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestrator.domain.tags import CLEANUP_REASON_TAG
from orchestrator.store import Reader
from resources.engine import EngineResource
from sensors.disk import disk_monitor, stale_checkpoints
from tests.orchestrator_defs.conftest import logging_as_in_dagster, world
from tests.orchestrator_defs.world import World

__all__ = ["logging_as_in_dagster", "world"]

PLENTY = 10**15


def tick(world: World, sensor: dg.SensorDefinition, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(
        instance=world.instance, cursor=cursor, resources={"engine": EngineResource()}, sensor_name=sensor.name
    )
    with context:
        data = sensor.evaluate_tick(context)
    return dg.SensorResult(
        run_requests=list(data.run_requests or []), cursor=data.cursor, asset_events=list(data.asset_events)
    )


def free(monkeypatch: pytest.MonkeyPatch, left: int) -> None:
    monkeypatch.setattr(
        "orchestrator.engine.retention.disk.free_bytes", lambda settings: {"worktree": left, "workflow": PLENTY}
    )


def test_a_full_disk_launches_the_cleanup_and_room_does_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, PLENTY)
    quiet = tick(world, disk_monitor)
    assert not quiet.run_requests
    (point,) = quiet.asset_events
    assert point.metadata["free_bytes_worktree"].value == PLENTY
    assert point.metadata["level"].value == "ok"
    again = tick(world, disk_monitor, quiet.cursor)
    assert list(again.asset_events) == [], "a point an hour is enough while nothing happens"

    free(monkeypatch, 1)
    pressed = tick(world, disk_monitor, quiet.cursor)
    (request,) = pressed.run_requests or []
    assert (request.job_name or "cleanup", request.tags[CLEANUP_REASON_TAG]) == ("cleanup", "disk")
    assert len(pressed.asset_events) == 1


def test_one_cleanup_at_a_time_is_enough(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 1)

    @dg.job(name="cleanup")
    def running() -> None: ...

    world.instance.create_run_for_job(running, status=dg.DagsterRunStatus.STARTED)
    assert not tick(world, disk_monitor).run_requests


def test_more_than_200_invalid_checkpoints_launch_it_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 200
    monkeypatch.setattr(Reader, "invalid_checkpoint_count", lambda self: count)
    first = tick(world, stale_checkpoints)
    assert not first.run_requests
    count = 201
    above = tick(world, stale_checkpoints, first.cursor)
    assert len(above.run_requests or []) == 1
    still = tick(world, stale_checkpoints, above.cursor)
    assert not still.run_requests
    count = 10
    below = tick(world, stale_checkpoints, still.cursor)
    count = 300
    assert len(tick(world, stale_checkpoints, below.cursor).run_requests or []) == 1
