"""A worker that is told to stop in the middle of a Work."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.domain.states import PauseReason, TaskStatus, WorkflowStatus, WorkStatus
from orchestrator.engine.interrupt import interrupt
from tests.orchestrator.engine.world import World, git, task, work


class Interrupted(BaseException):
    """As Dagster's interrupt: raised in the main thread by a signal handler."""


@contextmanager
def interrupted_after(path: Path) -> Iterator[None]:
    """Send this process the signal once `path` exists."""

    def on_signal(*_: object) -> None:
        raise Interrupted

    def wait_and_signal() -> None:
        while not path.exists():
            if done.wait(0.05):
                return
        os.kill(os.getpid(), signal.SIGUSR1)

    done = threading.Event()
    before = signal.signal(signal.SIGUSR1, on_signal)
    thread = threading.Thread(target=wait_and_signal)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)


def processes_under(path: Path) -> list[str]:
    """Command lines of the processes whose environment or working directory names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(path) in str((entry / "cwd").resolve()):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("terminated", [True, False])
def test_an_interrupt_leaves_no_process_and_puts_the_task_back(world: World, *, terminated: bool) -> None:
    running = world.home / "running"
    loaded = world.spec(
        [
            work(
                "slow",
                task("one", "echo 1 > api/one.txt"),
                task("two", f"echo half > api/half.txt; touch {running}; sleep 60"),
            )
        ]
    )
    workflow_id = world.create(loaded)
    with interrupted_after(running), pytest.raises(Interrupted):
        world.perform(workflow_id, "slow")
    assert processes_under(world.folder(workflow_id)) == []

    interrupt(world.engine, workflow_id=workflow_id, terminated=terminated)
    workflow = world.workflow(workflow_id)
    tasks = world.engine.store.read(lambda reader: reader.tasks(workflow_id))
    (row,) = world.engine.store.read(lambda reader: reader.works(workflow_id))
    assert [task.status for task in tasks] == [TaskStatus.COMPLETED, TaskStatus.PENDING]
    if terminated:
        assert (workflow.status, row.status) == (WorkflowStatus.CANCELLED, WorkStatus.CANCELLED)
    else:
        assert (workflow.status, workflow.pause_reason) == (WorkflowStatus.PAUSED, PauseReason.SHUTDOWN)
        assert row.status is WorkStatus.PAUSED


def test_what_the_interrupted_task_had_edited_is_kept_when_the_work_goes_on(world: World) -> None:
    running = world.home / "running"
    loaded = world.spec(
        [
            work(
                "slow",
                task("two", f"test -e {running} && exit 0; echo half > api/half.txt; touch {running}; sleep 60"),
                gits=["api"],
            )
        ]
    )
    workflow_id = world.create(loaded)
    with interrupted_after(running), pytest.raises(Interrupted):
        world.perform(workflow_id, "slow")
    interrupt(world.engine, workflow_id=workflow_id, terminated=False)

    world.perform(workflow_id, "slow")
    mirror = world.mirror_of(workflow_id, "api")
    rescued = git(mirror, "for-each-ref", "--format=%(refname)", "refs/orchestrator/rescue")
    assert git(mirror, "show", f"{rescued}:half.txt") == "half"
    assert not (world.tree(workflow_id, "api") / "half.txt").exists()
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED


def test_an_interrupt_before_the_first_work_leaves_a_shutdown_to_the_next_try(world: World) -> None:
    workflow_id = world.create(world.spec([work("fix", task("patch", "true"))]))
    interrupt(world.engine, workflow_id=workflow_id, terminated=False)
    assert world.workflow(workflow_id).status is WorkflowStatus.CREATED
    interrupt(world.engine, workflow_id=workflow_id, terminated=True)
    assert world.workflow(workflow_id).status is WorkflowStatus.CANCELLED
