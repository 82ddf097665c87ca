"""Triggers in Dagster: one cause, one firing, one run; and why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from orchestrator.domain import tags
from orchestrator.domain.errors import WrongState
from orchestrator.domain.events import EventType
from orchestrator.domain.firing import FiringStatus, Overlap
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.launches import Launch, Waits, next_launches
from orchestrator.engine.specs import Specs
from orchestrator.engine.trigger_handler import TriggerHandler
from orchestrator.events import Relay
from orchestrator.spec.load import LoadedSpec
from orchestrator.store.firing_rows import FiringRow, NewFiring
from resources.engine import EngineResource
from resources.git import GitResource
from schedules.triggers import trigger_schedules
from sensors.triggers import trigger_sensors
from tests.orchestrator_defs.conftest import logging_as_in_dagster, world
from tests.orchestrator_defs.world import SHIP, World

__all__ = ["logging_as_in_dagster", "world"]

TRIGGERS = """\
  triggers:
    - {git_push: {git: api}, inputs: {focus: "{{ payload.commit }}"}}
    - {schedule: "0 3 * * *", timezone: Europe/Berlin, inputs: {focus: nightly}}
    - {event: {type: WorkflowCompleted, workflow: scan}, inputs: {focus: "{{ payload.workflow_id }}"}}
"""
NEW = NewFiring(
    workflow="ship",
    trigger="webhook_1",
    kind="webhook",
    key="d-1",
    overlap=Overlap.QUEUE,
    inputs={"focus": "x"},
    reason="webhook",
)


def loaded(world: World) -> tuple[LoadedSpec, dg.JobDefinition]:
    spec = world.spec(SHIP + TRIGGERS)
    return spec, world.definitions(spec).resolve_job_def("ship")


def look(world: World, sensor: dg.SensorDefinition, cursor: str | None) -> tuple[str | None, str | None, Sequence[Any]]:
    """The cursor, why nothing was launched, and the runs asked for."""
    context = dg.build_sensor_context(
        instance=world.instance, cursor=cursor, resources={"engine": EngineResource(), "git": GitResource()}
    )
    with context:
        answer = sensor.evaluate_tick(context)
    return answer.cursor, answer.skip_message, answer.run_requests or []


def fire(world: World, **changes: Any) -> FiringRow:
    row = world.store.write(lambda tx: tx.put_firing(replace(NEW, **changes)))
    assert row is not None
    return row


def test_a_push_that_the_sensor_sees_asks_for_one_run_with_the_commit_as_input(world: World) -> None:
    spec, job = loaded(world)
    [sensor, _] = trigger_sensors(spec, job)
    cursor, why, _ = look(world, sensor, None)
    assert "the next push fires" in str(why)
    cursor, why, _ = look(world, sensor, cursor)
    assert "still stands" in str(why)

    world.api.write("new.txt", "new\n")
    head = world.api.commit("second")
    moved, _, [request] = look(world, sensor, cursor)

    assert moved == head
    assert request.run_config == {"focus": head}
    # The tick is done again, as after a crash: the same push fires nothing more.
    assert look(world, sensor, cursor)[2] == []


def test_a_deleted_ref_and_a_repository_that_is_gone_are_reasons_and_leave_the_cursor(world: World) -> None:
    spec, job = loaded(world)
    [sensor, _] = trigger_sensors(spec, job)
    cursor, _, _ = look(world, sensor, None)
    world.api.git("checkout", "-q", "-b", "other")
    world.api.git("branch", "-D", "main")

    again, why, runs = look(world, sensor, cursor)
    assert (again, runs) == (cursor, [])
    assert "deleted, or never pushed" in str(why)


def test_a_schedule_fires_once_for_each_time_it_was_due(world: World) -> None:
    spec, job = loaded(world)
    [schedule] = trigger_schedules(spec, job)
    assert (schedule.execution_timezone, schedule.cron_schedule) == ("Europe/Berlin", "0 3 * * *")

    def tick() -> Any:
        context = dg.build_schedule_context(
            instance=world.instance,
            scheduled_execution_time=datetime(2026, 1, 1, 2, tzinfo=UTC),
            resources={"engine": EngineResource()},
        )
        with context:
            return schedule.evaluate_tick(context)

    [request] = tick().run_requests or []
    assert request.run_config == {"focus": "nightly"}
    assert tick().run_requests == []


def test_a_firing_becomes_one_run_whoever_asks_for_it(world: World) -> None:
    job, firing = world.job(), fire(world)

    run = world.submit(job, inputs={"focus": "x"}, tags={tags.FIRING_TAG: firing.id})
    with pytest.raises(WrongState, match="already"):
        world.submit(job, inputs={"focus": "x"}, tags={tags.FIRING_TAG: firing.id})

    row = world.store.read(lambda reader: reader.firing(firing.id))
    assert (row.status, row.run_id) == (FiringStatus.LAUNCHED, run.run_id)
    assert len(world.store.read(lambda reader: reader.workflows())) == 1


def test_a_firing_that_one_is_launching_is_not_launched_by_another(world: World) -> None:
    fire(world)

    [first] = next_launches(world.store, owner="one")
    assert isinstance(first, Launch)
    assert next_launches(world.store, owner="two") == []
    world.store.write(lambda tx: tx.release_firing(first.firing.id))
    assert isinstance(next_launches(world.store, owner="two")[0], Launch)


@pytest.mark.parametrize("overlap", Overlap)
def test_while_a_workflow_runs_a_firing_waits_or_is_skipped_or_has_it_cancelled(world: World, overlap: Overlap) -> None:
    running = world.submit(world.job(), inputs={"focus": "x"})
    firing = fire(world, overlap=overlap)

    found = next_launches(world.store, owner="one")

    status = world.store.read(lambda reader: reader.firing(firing.id)).status
    if overlap is Overlap.QUEUE:
        assert isinstance(found[0], Waits)
        world.store.write(lambda tx: tx.change_workflow(running.tags[tags.WORKFLOW_ID_TAG], WorkflowStatus.CANCELLED))
        assert isinstance(next_launches(world.store, owner="one")[0], Launch)
    elif overlap is Overlap.SKIP:
        assert (found, status) == ([], FiringStatus.SKIPPED)
    else:
        assert isinstance(found[0], Launch)
        assert [row.id for row in found[0].cancel] == [running.tags[tags.WORKFLOW_ID_TAG]]


def test_of_a_thousand_pushes_the_newest_is_launched(world: World) -> None:
    push = replace(NEW, kind="git_push", trigger="git_push_1")
    for number in range(1000):
        world.store.write(lambda tx, number=number: tx.put_push(replace(push, key=f"{number:040x}")))  # type: ignore[misc]  # mypy does not infer a default's type

    [found] = next_launches(world.store, owner="one")

    assert isinstance(found, Launch)
    assert found.firing.key.startswith(f"{999:040x}")
    assert world.store.read(lambda reader: reader.waiting_firings()) == []


def test_the_end_of_one_workflow_fires_another_once_and_a_circle_comes_to_an_end(world: World) -> None:
    world.spec(SHIP + TRIGGERS)
    scan = world.submit(world.job(SHIP.replace("name: ship", "name: scan")), inputs={"focus": "x"})
    workflow_id = scan.tags[tags.WORKFLOW_ID_TAG]
    world.spec(SHIP + TRIGGERS)
    handler = TriggerHandler(world.store, Specs([world.folder / "ship"]))
    for status in (WorkflowStatus.READY, WorkflowStatus.RUNNING, WorkflowStatus.COMPLETED):
        world.store.write(lambda tx, status=status: tx.change_workflow(workflow_id, status))  # type: ignore[misc]  # mypy does not infer a default's type
    Relay(world.store, [handler]).drain()
    [event] = [event for event in world.events() if event.type is EventType.WORKFLOW_COMPLETED]
    handler.handle(event)

    [firing] = world.store.read(lambda reader: reader.firings("ship"))
    assert (firing.status, firing.inputs, firing.depth) == (FiringStatus.WAITING, {"focus": workflow_id}, 1)

    deep = fire(world, key="deep", depth=10)
    world.store.write(lambda tx: tx.launch_firing(deep.id, run_id="r", workflow_id=workflow_id))
    handler.handle(replace(event, id="ev-next"))
    [last, *_] = [row for row in world.store.read(lambda reader: reader.firings("ship")) if row.trigger == "event_1"]
    assert last.status is FiringStatus.FAILED
    assert "the chain ends here" in last.reason
