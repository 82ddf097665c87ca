"""The run launcher with a real warm parent: forks, refusals, health, termination, the way without a parent."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import CodePointer
from dagster._core.events import DagsterEvent
from dagster._core.launcher import LaunchRunContext
from dagster._core.launcher.base import WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext

from orchestrator.domain.ids import workflow_id_of_run
from orchestrator.domain.states import TaskStatus, WorkflowStatus
from orchestrator.ops import warm
from orchestrator.ops.instance import instance_environment
from orchestrator.ops.workers import living_workers, process_of, this_host
from orchestrator.settings import load_settings
from orchestrator.spec.load import LoadedSpec
from orchestrator.store.rows import RunWorkerRow
from orchestrator_defs import launcher as module
from orchestrator_defs.launcher import DEFINITIONS, WarmRunLauncher
from tests.orchestrator_defs.world import World

HOLD = """\
type: orchestrator_defs.Workflow
attributes:
  name: hold
  inputs:
    until: {type: string}
  gits:
    api: {url: ../../api, ref: main}
  agent: {provider: builtin}
  works:
    - name: wait
      tasks:
        - name: there
          query: |
            ```sh
            while ! test -e "$ORCHESTRATOR_INPUT_UNTIL"; do sleep 0.1; done
            ```
"""
LIMIT = 2


class Launches:
    """Runs of the workflow `hold`, in the world's instance."""

    def __init__(self, world: World, loaded: LoadedSpec) -> None:
        self.world = world
        self.gate = world.folder / "gate"
        self._job = world.definitions(loaded).resolve_job_def("hold")

    @property
    def launcher(self) -> WarmRunLauncher:
        launcher = self.world.instance.run_launcher
        assert isinstance(launcher, WarmRunLauncher)
        return launcher

    def create(self) -> dg.DagsterRun:
        location = RegisteredCodeLocationOrigin("orchestrator")
        pointer = CodePointer.from_module(DEFINITIONS, "defs", working_directory=None)
        repository = RepositoryPythonOrigin(executable_path=sys.executable, code_pointer=pointer)
        return self.world.instance.create_run_for_job(
            self._job,
            run_config={"until": str(self.gate)},
            tags=self._job.tags,
            remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), "hold"),
            job_code_origin=JobPythonOrigin(job_name="hold", repository_origin=repository),
        )

    def submit(self) -> dg.DagsterRun:
        run = self.create()
        self.world.instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]  # neither queue nor launcher asks for it
        return self.world.stored(run)

    def dequeue(self, run: dg.DagsterRun) -> None:
        """What the queue's daemon does with a run whose turn has come."""
        starting = DagsterEvent(event_type_value="PIPELINE_STARTING", job_name=run.job_name)
        self.world.instance.report_dagster_event(starting, run_id=run.run_id)
        self.launcher.launch_run(LaunchRunContext(self.world.stored(run), workspace=None))

    def status(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        return self.world.stored(run).status

    def row(self, run: dg.DagsterRun) -> RunWorkerRow:
        row = self.world.store.read(lambda reader: reader.run_worker(run.run_id))
        assert row is not None
        return row

    def await_task(self, run: dg.DagsterRun) -> None:
        """Until its one Task is under way."""
        of = workflow_id_of_run(run.run_id)
        self.await_true(
            lambda: (
                self.world.store.read(lambda reader: [task.status for task in reader.tasks(of)]) == [TaskStatus.RUNNING]
            )
        )

    def await_status(self, run: dg.DagsterRun, status: dg.DagsterRunStatus) -> None:
        self.await_true(lambda: self.status(run) is status)

    def await_true(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, "it did not come true in time"
            time.sleep(0.1)


@pytest.fixture
def launches(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launches]:
    specs = world.folder / "specs"
    specs.mkdir()
    loaded = world.spec(HOLD, folder="specs/hold")
    monkeypatch.setenv("WORKFLOW_SPECS_PATH", str(specs))
    for name, value in instance_environment(load_settings()).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    yield Launches(world, loaded)
    (world.folder / "gate").touch()
    ours = warm.end_parents(settings) | living_workers(world.store)
    deadline = time.monotonic() + 60
    while any(process.is_alive() for process in ours):
        for process in ours if time.monotonic() > deadline else ():
            process.send(signal.SIGKILL)
        time.sleep(0.1)


def test_a_submission_with_a_free_slot_is_launched_at_once_in_a_session_and_a_log_of_its_own(
    launches: Launches,
) -> None:
    run = launches.submit()

    row = launches.row(run)
    launches.await_task(run)
    worker = Path(f"/proc/{row.pid}")
    inherited = {entry.readlink() for entry in (worker / "fd").iterdir() if entry.exists() or entry.is_symlink()}
    parent = int((worker / "stat").read_text().rpartition(")")[2].split()[1])
    assert os.getsid(row.pid) == row.pid
    # Dagster captures the output of a step, and passes it on to what the output was before.
    assert Path(row.log_path) in inherited
    assert "orchestrator_defs.warm" in Path(f"/proc/{parent}/cmdline").read_text()
    # Its own database connections and pipes it may have; nothing of the parent's.
    assert not [path for path in inherited if path.suffix in (".lock", ".sock") and path.parent.name == "run"]
    assert not [path for path in inherited if path.name == "launcher.log"]
    assert launches.launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    launches.gate.touch()
    launches.await_status(run, dg.DagsterRunStatus.SUCCESS)
    events = {json.loads(line)["event"] for line in Path(row.log_path).read_text().splitlines()}
    assert {"WorkflowStarted", "QuerySent", "WorkflowCompleted"} <= events


def test_submissions_beyond_the_limit_queue_and_one_that_lost_its_slot_goes_back(
    launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [{"key": "orchestrator/workflow_id", "limit": LIMIT}]
    monkeypatch.setattr(launches.world.instance.run_coordinator, "_tag_concurrency_limits", limits)

    runs = [launches.submit() for _ in range(LIMIT + 1)]
    queued = runs.pop()
    assert launches.status(queued) is dg.DagsterRunStatus.QUEUED
    # As the queue's daemon does that counted before the others were launched.
    launches.dequeue(queued)

    assert launches.status(queued) is dg.DagsterRunStatus.QUEUED
    assert launches.world.store.read(lambda reader: reader.run_worker(queued.run_id)) is None
    launches.gate.touch()
    for run in runs:
        launches.await_status(run, dg.DagsterRunStatus.SUCCESS)
    launches.dequeue(queued)
    launches.await_status(queued, dg.DagsterRunStatus.SUCCESS)


def test_a_run_that_is_launched_twice_has_one_worker(launches: Launches) -> None:
    run = launches.submit()
    row = launches.row(run)

    launches.dequeue(run)

    assert launches.row(run) == row
    launches.gate.touch()
    launches.await_true(lambda: launches.world.stored(run).is_finished)
    started = [entry for entry in launches.world.instance.all_logs(run.run_id) if "Started process" in entry.message]
    assert len(started) == 1


def test_a_worker_that_finds_its_run_claimed_leaves_it_alone(launches: Launches) -> None:
    run = launches.create()
    claim = {"host": "elsewhere", "pid": 1, "birth": "x", "log_path": "/x"}
    launches.world.store.write(lambda tx: tx.claim_run(run.run_id, **claim))  # type: ignore[arg-type]  # one dict for four types
    log = launches.world.folder / "late.log"
    log.touch()

    worker = launches.launcher._spawn(run, log)

    launches.await_true(lambda: not worker.is_alive())
    assert "RunTaken" in log.read_text()
    assert launches.status(run) is dg.DagsterRunStatus.NOT_STARTED
    assert launches.launcher.check_run_worker_health(run).status is WorkerStatus.UNKNOWN


def test_a_killed_worker_is_failed_and_one_that_was_never_ours_is_left_alone(launches: Launches) -> None:
    run, local = launches.submit(), launches.create()
    launches.await_task(run)

    process_of(launches.row(run)).send(signal.SIGKILL)

    launches.await_true(lambda: launches.launcher.check_run_worker_health(run).status is WorkerStatus.FAILED)
    assert launches.launcher.check_run_worker_health(local).status is WorkerStatus.RUNNING
    assert launches.row(run).log_path in (launches.launcher.get_run_worker_debug_info(run) or "")
    assert not launches.launcher.terminate(run.run_id)


def test_a_terminated_run_is_cancelled_with_its_workflow(launches: Launches) -> None:
    run = launches.submit()
    launches.await_task(run)

    assert launches.launcher.terminate(run.run_id)

    launches.await_status(run, dg.DagsterRunStatus.CANCELED)
    workflow = launches.world.store.read(lambda reader: reader.workflow(workflow_id_of_run(run.run_id)))
    assert workflow.status is WorkflowStatus.CANCELLED
    assert not launches.launcher.terminate(run.run_id)


def test_a_worker_that_is_told_to_go_pauses_its_workflow(launches: Launches) -> None:
    run = launches.submit()
    launches.await_task(run)

    process_of(launches.row(run)).send(signal.SIGTERM)

    launches.await_true(lambda: launches.world.stored(run).is_finished)
    workflow = launches.world.store.read(lambda reader: reader.workflow(workflow_id_of_run(run.run_id)))
    assert (workflow.status, workflow.pause_reason) == (WorkflowStatus.PAUSED, "shutdown")


def test_without_a_parent_the_worker_starts_by_itself_and_a_warning_says_so(
    launches: Launches, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    launches.gate.touch()
    monkeypatch.setattr(module, "WARM_S", 0.0)

    run = launches.submit()

    launches.await_status(run, dg.DagsterRunStatus.SUCCESS)
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["level"] for line in said if line["event"] == "LaunchedCold"] == ["WARN"]
    assert launches.row(run).host == this_host()


def test_a_change_of_the_definitions_is_another_parent(launches: Launches) -> None:
    launches.gate.touch()
    settings = load_settings()
    first = launches.submit()
    [before] = warm.sockets_folder(settings).glob("*.sock")

    file = launches.world.folder / "specs" / "hold" / "defs.yaml"
    file.write_text(file.read_text().replace("sleep 0.1", "sleep 0.2"))
    second = launches.submit()

    assert len(list(warm.sockets_folder(settings).glob("*.sock"))) == 2
    assert before.stat().st_mode & 0o777 == 0o600
    for run in (first, second):
        launches.await_status(run, dg.DagsterRunStatus.SUCCESS)
