"""One worker owns a Workflow, and one that was taken over writes nothing more."""

from __future__ import annotations

import os
import signal
import socket

import pytest
from sqlalchemy import update

from orchestrator.domain.errors import Cancelled, LeaseHeld, LeaseLost
from orchestrator.domain.states import WorkflowStatus
from orchestrator.domain.stop import Stop
from orchestrator.engine import lease as leases
from orchestrator.engine.ended import crashed, run_ended
from orchestrator.engine.lease import owned
from orchestrator.store import Transaction
from orchestrator.store.rows import Holder
from orchestrator.store.tables import leases as table
from tests.orchestrator.engine.running import performing, wait_for, worker
from tests.orchestrator.engine.world import World, task, work

ELSEWHERE = Holder(host="another-host", pid=1, process_started=1.0)


def waiting(world: World) -> str:
    return world.create(world.spec([work("fix", task("patch", "true"), gits=["api"])]))


def lapse(tx: Transaction, workflow_id: str) -> None:
    """Let the lease's time be over, as if its holder had not been heard of for long."""
    tx._connection.execute(
        update(table).where(table.c.workflow_id == workflow_id).values(expires_at=tx.workflow(workflow_id).created_at)
    )


def test_a_killed_workers_workflow_is_taken_over_at_once(world: World) -> None:
    running = world.home / "running"
    loaded = world.spec([work("slow", task("one", f"test -e {running} && exit 0; touch {running}; sleep 60"))])
    workflow_id = world.create(loaded)
    with worker(world, workflow_id, "slow", until=running) as process:
        process.kill()
        process.wait()
        world.perform(workflow_id, "slow")
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED


def test_a_second_worker_is_refused_while_the_first_lives(world: World) -> None:
    running = world.home / "running"
    workflow_id = world.create(world.spec([work("slow", task("one", f"touch {running}; sleep 60"))]))
    with worker(world, workflow_id, "slow", until=running) as process:
        with pytest.raises(LeaseHeld, match=f"is being performed by process {process.pid} on {socket.gethostname()}"):
            world.perform(workflow_id, "slow")
        assert world.workflow(workflow_id).status is WorkflowStatus.RUNNING


def test_a_worker_that_was_stopped_until_its_lease_lapsed_is_ended_and_changes_nothing_more(world: World) -> None:
    running = world.home / "running"
    loaded = world.spec([work("slow", task("one", f"test -e {running} && exit 0; touch {running}; sleep 60"))])
    workflow_id = world.create(loaded)
    with worker(world, workflow_id, "slow", until=running) as process:
        os.kill(process.pid, signal.SIGSTOP)
        world.engine.store.write(lambda tx: lapse(tx, workflow_id))
        world.perform(workflow_id, "slow")
        process.wait(60)
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED


def test_what_a_worker_writes_after_it_was_taken_over_is_refused(world: World) -> None:
    workflow_id = waiting(world)
    stop = Stop()
    with owned(world.engine, workflow_id, stop) as own:
        world.engine.store.write(lambda tx: lapse(tx, workflow_id))
        world.engine.store.write(lambda tx: tx.take_lease(workflow_id, ELSEWHERE, seconds=60))
        with pytest.raises(LeaseLost, match="was taken over by another worker"):
            own.store.write(lambda tx: tx.change_workflow(workflow_id, WorkflowStatus.READY))
    assert world.workflow(workflow_id).status is WorkflowStatus.CREATED
    lease = world.engine.store.read(lambda reader: reader.lease(workflow_id))
    assert lease is not None
    assert lease.holder == ELSEWHERE


def test_a_worker_learns_that_it_was_taken_over_while_its_agent_works(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "HEARTBEAT_S", 0.1)
    running = world.home / "running"
    workflow_id = world.create(world.spec([work("slow", task("one", f"touch {running}; sleep 60"))]))
    with performing(world, workflow_id, "slow", until=running) as performance:
        world.engine.store.write(lambda tx: lapse(tx, workflow_id))
        world.engine.store.write(lambda tx: tx.take_lease(workflow_id, ELSEWHERE, seconds=60))
        with pytest.raises(LeaseLost):
            list(performance)
    assert world.workflow(workflow_id).status is WorkflowStatus.RUNNING


def test_a_lease_of_another_host_is_waited_for_to_its_end(world: World) -> None:
    workflow_id = waiting(world)
    world.engine.store.write(lambda tx: tx.take_lease(workflow_id, ELSEWHERE, seconds=2))
    world.perform(workflow_id, "fix")
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED


def test_the_heartbeat_keeps_a_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "HEARTBEAT_S", 0.1)
    workflow_id = waiting(world)
    with owned(world.engine, workflow_id, Stop()):
        world.engine.store.write(lambda tx: lapse(tx, workflow_id))

        def renewed() -> bool:
            lease = world.engine.store.read(lambda reader: reader.lease(workflow_id))
            return lease is not None and not lease.expired

        wait_for(renewed, "a heartbeat")


def test_a_workflow_whose_worker_died_is_found_and_fails(world: World) -> None:
    running = world.home / "running"
    workflow_id = world.create(world.spec([work("slow", task("one", f"touch {running}; sleep 60"))]))
    with worker(world, workflow_id, "slow", until=running) as process:
        assert crashed(world.engine.store) == []
        process.kill()
        process.wait()
        assert crashed(world.engine.store) == [workflow_id]
    row = world.workflow(workflow_id)
    assert row.status is WorkflowStatus.FAILED
    assert str(row.error).startswith(f"crash: its worker, process {process.pid} on ")
    assert crashed(world.engine.store) == []


def test_a_run_that_is_marked_cancelled_while_its_worker_lives_has_it_cancel(world: World) -> None:
    running = world.home / "running"
    workflow_id = world.create(world.spec([work("slow", task("one", f"touch {running}; sleep 60"))]))
    run_id = str(world.workflow(workflow_id).run_id)
    with performing(world, workflow_id, "slow", until=running) as performance:
        run_ended(world.engine.store, workflow_id=workflow_id, run_id=run_id, cancelled=True, error=None)
        with pytest.raises(Cancelled):
            list(performance)
    assert world.workflow(workflow_id).status is WorkflowStatus.CANCELLED
