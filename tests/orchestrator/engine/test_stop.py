"""A Work that is told to stop: what is left is what a resume needs, and nothing that runs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestrator.domain.errors import Cancelled, Paused, WrongState
from orchestrator.domain.states import PauseReason, TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.engine.control import ask_cancel, ask_pause, ask_resume
from orchestrator.engine.endings import write_down
from orchestrator.engine.performance import Performance
from tests.orchestrator.engine.running import performing, processes_under, worker
from tests.orchestrator.engine.world import World, git, task, work

SHUTDOWN = Paused("told to stop", reason=PauseReason.SHUTDOWN)


def slow(world: World, running: Path) -> str:
    """A Workflow of one Work: a Task that ends, and one that waits the first time it is asked."""
    first = f"test -e {running} && exit 0; echo half > api/half.txt; touch {running}; sleep 60"
    loaded = world.spec([work("slow", task("one", "echo 1 > api/one.txt"), task("two", first), gits=["api"])])
    return world.create(loaded)


def state(world: World, workflow_id: str) -> tuple[WorkflowStatus, WorkStatus, list[TaskStatus]]:
    """Of the Workflow, its only Work and its Tasks."""
    (row,) = world.engine.store.read(lambda reader: reader.works(workflow_id))
    tasks = world.engine.store.read(lambda reader: reader.tasks(workflow_id))
    return world.workflow(workflow_id).status, row.status, [each.status for each in tasks]


@pytest.mark.parametrize("why", [SHUTDOWN, Cancelled("terminated")])
def test_a_stopped_work_leaves_no_process_and_puts_its_task_back(world: World, why: Paused | Cancelled) -> None:
    running = world.home / "running"
    workflow_id = slow(world, running)
    with performing(world, workflow_id, "slow", until=running) as performance:
        performance.stop(why)
        assert processes_under(world.folder(workflow_id)) == []
        with pytest.raises(type(why)):
            list(performance)

    left = [TaskStatus.COMPLETED, TaskStatus.PENDING]
    if isinstance(why, Paused):
        assert state(world, workflow_id) == (WorkflowStatus.PAUSED, WorkStatus.PAUSED, left)
        assert world.workflow(workflow_id).pause_reason is PauseReason.SHUTDOWN
    else:
        assert state(world, workflow_id) == (WorkflowStatus.CANCELLED, WorkStatus.CANCELLED, left)


def test_the_edits_of_an_interrupted_task_are_kept_on_a_rescue_ref_and_the_tree_is_put_back(world: World) -> None:
    running = world.home / "running"
    workflow_id = slow(world, running)
    with performing(world, workflow_id, "slow", until=running) as performance:
        performance.stop(SHUTDOWN)

    mirror = world.mirror_of(workflow_id, "api")
    rescued = git(mirror, "for-each-ref", "--format=%(refname)", "refs/orchestrator/rescue")
    assert git(mirror, "show", f"{rescued}:half.txt") == "half"
    tree = world.tree(workflow_id, "api")
    assert not (tree / "half.txt").exists()
    assert (tree / "one.txt").read_text() == "1\n"


def test_a_resumed_work_goes_on_behind_its_last_finished_task_in_the_agents_own_session(world: World) -> None:
    running = world.home / "running"
    workflow_id = slow(world, running)
    with performing(world, workflow_id, "slow", until=running) as performance:
        performance.stop(SHUTDOWN)
    session = world.engine.store.read(lambda reader: reader.works(workflow_id))[0].session_id
    correlation_id = world.workflow(workflow_id).correlation_id

    facts = world.perform(workflow_id, "slow")
    asked = [event for event in world.engine.store.read(lambda reader: reader.events(workflow_id))]
    sent = [event.context["task"] for event in asked if event.type == "QuerySent"]
    assert sent == ["one", "two", "two"]
    assert {event.correlation_id for event in asked} == {correlation_id}
    assert world.engine.store.read(lambda reader: reader.works(workflow_id))[0].session_id == session
    assert len(facts.checkpoints) == 1
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED


def test_before_the_first_work_a_shutdown_is_left_to_the_next_try(world: World) -> None:
    workflow_id = world.create(world.spec([work("fix", task("patch", "true"))]))
    write_down(world.engine.store, workflow_id, SHUTDOWN)
    assert world.workflow(workflow_id).status is WorkflowStatus.CREATED
    write_down(world.engine.store, workflow_id, Cancelled("terminated"))
    assert world.workflow(workflow_id).status is WorkflowStatus.CANCELLED


def test_a_pause_asked_for_by_another_process_reaches_the_worker(world: World) -> None:
    running = world.home / "running"
    workflow_id = slow(world, running)
    with worker(world, workflow_id, "slow", until=running) as process:
        ask_pause(world.engine.store, workflow_id)
        assert process.wait(60) == 1
    assert world.workflow(workflow_id).pause_reason is PauseReason.OPERATOR
    assert processes_under(world.folder(workflow_id)) == []
    assert world.engine.store.read(lambda reader: reader.requests(workflow_id)) == []


def test_a_cancel_asked_for_by_another_process_reaches_the_worker(world: World) -> None:
    running = world.home / "running"
    workflow_id = slow(world, running)
    with performing(world, workflow_id, "slow", until=running) as performance:
        ask_cancel(world.engine.store, workflow_id)
        with pytest.raises(Cancelled):
            list(performance)
    assert world.workflow(workflow_id).status is WorkflowStatus.CANCELLED
    assert not (world.folder(workflow_id) / "workspaces").exists()


def test_a_check_that_runs_long_is_stopped_too(world: World) -> None:
    running = world.home / "running"
    check = {"name": "long", "run": f"touch {running}; sleep 60", "git": "api"}
    workflow_id = world.create(world.spec([work("fix", task("patch", "true"), checks=[check])]))
    with performing(world, workflow_id, "fix", until=running) as performance:
        performance.stop(SHUTDOWN)
    assert processes_under(world.folder(workflow_id)) == []
    assert world.workflow(workflow_id).status is WorkflowStatus.PAUSED


def test_a_fetch_from_a_machine_that_never_answers_is_cut_short(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        gits = {"api": {"url": f"git://127.0.0.1:{silent.getsockname()[1]}/x"}}
        workflow_id = world.create(world.spec([work("fix", task("patch", "true"))], gits=gits))
        with Performance(world.engine, workflow_id=workflow_id, work="fix") as performance:
            connection, _ = silent.accept()
            with connection:
                performance.stop(SHUTDOWN)
    assert world.workflow(workflow_id).status is WorkflowStatus.CREATED


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (ask_pause, "is CREATED and cannot be paused: it waits in the queue"),
        (ask_resume, "is CREATED and cannot be resumed: it waits in the queue"),
    ],
)
def test_what_does_not_go_with_a_waiting_workflow_is_refused(world: World, ask: object, message: str) -> None:
    workflow_id = world.create(world.spec([work("fix", task("patch", "true"))]))
    assert callable(ask)
    with pytest.raises(WrongState, match=message):
        ask(world.engine.store, workflow_id)
    assert world.events(workflow_id) == ["WorkflowCreated"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (ask_pause, "is COMPLETED and cannot be paused: there is nothing left"),
        (ask_cancel, "is COMPLETED already and cannot be cancelled"),
        (ask_resume, "is COMPLETED and cannot be resumed: roll it back"),
    ],
)
def test_what_does_not_go_with_a_completed_workflow_is_refused(world: World, ask: object, message: str) -> None:
    workflow_id = world.create(world.spec([work("fix", task("patch", "true"))]))
    world.perform(workflow_id, "fix")
    before = world.events(workflow_id)
    assert callable(ask)
    with pytest.raises(WrongState, match=message):
        ask(world.engine.store, workflow_id)
    assert world.events(workflow_id) == before


def test_the_second_of_two_resumes_is_refused(world: World) -> None:
    running = world.home / "running"
    workflow_id = slow(world, running)
    with performing(world, workflow_id, "slow", until=running) as performance:
        performance.stop(SHUTDOWN)
    ask_resume(world.engine.store, workflow_id)
    with pytest.raises(WrongState, match="is being resumed already"):
        ask_resume(world.engine.store, workflow_id)
