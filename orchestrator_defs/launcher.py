"""The run launcher for one machine: run workers are forked from a warm parent and watched by pid and birth."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from signal import SIGTERM
from typing import Any

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.launcher import DefaultRunLauncher, LaunchRunContext
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._serdes import serialize_value

from orchestrator.domain.errors import WarmParentGone
from orchestrator.engine.engine import open_settings_store
from orchestrator.observe.log import get_logger
from orchestrator.ops.warm import ask, is_listening, socket_path, sockets_folder
from orchestrator.ops.workers import Process, birth_of, process_of, this_host
from orchestrator.settings import Settings, load_settings
from orchestrator.store import Store
from orchestrator.store.rows import RunWorkerRow
from orchestrator_defs.slots import is_slot_free, may_overtake, one_at_a_time
from orchestrator_defs.version import definitions_version
from resources.telemetry import start_logging

_log = get_logger(__name__)
DEFINITIONS = "orchestrator_defs.definitions"
# A parent needs a few seconds for its imports; a worker that starts by itself needs the same, and each its own.
WARM_S = 30.0
POLL_S = 0.05


class WarmRunLauncher(DefaultRunLauncher):
    """Launches runs of our code location as processes of their own, and knows later whether they live.

    Every process that opens the instance has one of these. What it has to know of a worker stands in our store, so any
    of them can be gone by then. Runs of other code locations are launched in Dagster's own way.
    """

    @cached_property
    def _settings(self) -> Settings:
        start_logging()
        return load_settings()

    @cached_property
    def _store(self) -> Store:
        return open_settings_store(self._settings)

    @cached_property
    def _warming(self) -> threading.Lock:
        return threading.Lock()

    _parent: subprocess.Popen[bytes] | None = None

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's worker. A run that another process has launched meanwhile is left alone; one that finds no
        slot free, because others took it since the queue looked, goes back to the queue."""
        run = context.dagster_run
        if not _is_ours(run):
            super().launch_run(context)
            return
        with one_at_a_time(sockets_folder(self._settings)):
            free = is_slot_free(self._instance, run)
            if not free:
                self._instance.report_dagster_event(DagsterEvent.job_enqueue(run), run_id=run.run_id)
        if free:
            self._start(run)
        else:
            _log.info("RunRequeued", message="its slot was taken meanwhile", run_id=run.run_id)

    def launch_at_once(self, run: dg.DagsterRun) -> bool:
        """Launch a run that was never queued; False, and nothing has changed, where it has to queue."""
        if not _is_ours(run) or run.status is not dg.DagsterRunStatus.NOT_STARTED:
            return False
        with one_at_a_time(sockets_folder(self._settings)):
            if not (is_slot_free(self._instance, run) and may_overtake(self._instance, run)):
                return False
            # What the queue's daemon does before a launch; from here on everybody counts this run.
            starting = DagsterEvent(event_type_value=DagsterEventType.PIPELINE_STARTING.value, job_name=run.job_name)
            self._instance.report_dagster_event(starting, run_id=run.run_id)
        try:
            self._start(run)
        except Exception as error:  # noqa: BLE001 — whatever it is, the daemon tries again and reports what it meets
            _log.warning("LaunchFailed", message=f"left to the queue: {error}", run_id=run.run_id, exc_info=error)
            self._instance.report_dagster_event(DagsterEvent.job_enqueue(run), run_id=run.run_id)
        return True

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run; it cancels its Workflow and ends. False where nothing is left to be interrupted."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        row = self._row(run_id)
        if row is None and not _is_ours(run):
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]  # Dagster does not say
        self._instance.report_run_canceling(run)
        # Looked up again: a worker claims its run first and then looks whether it is cancelled.
        row = self._row(run_id)
        if row is None:
            return True
        if row.host != this_host():
            self._instance.report_engine_event(f"Its worker runs on {row.host}: terminate it there.", run)
            return False
        return process_of(row).send(SIGTERM)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's worker lives, by pid and birth. Of one that we did not start nothing is known."""
        row = self._row(run.run_id)
        if row is None:
            # Dagster fails a run that is neither RUNNING nor a success, and this one may well be alive.
            return CheckRunHealthResult(WorkerStatus.RUNNING, "not launched by this launcher")
        if row.host != this_host():
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, f"its worker runs on {row.host}, this is {this_host()}")
        if process_of(row).is_alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(row.pid))
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"its worker, process {row.pid}, is gone", run_worker_id=str(row.pid)
        )

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        del include_container_logs
        row = self._row(run.run_id)
        return None if row is None else f"Its log: {row.log_path}"

    def dispose(self) -> None:
        if "_store" in self.__dict__:
            self._store.close()

    def _row(self, run_id: str) -> RunWorkerRow | None:
        return self._store.read(lambda reader: reader.run_worker(run_id))

    def _start(self, run: dg.DagsterRun) -> None:
        if self._row(run.run_id) is not None:
            _log.warning("RunTaken", message="it has a worker already; none is started", run_id=run.run_id)
            return
        log = self._settings.orchestrator_home / "logs" / "runs" / f"{run.run_id}.log"
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        worker = self._fork(run, log) or self._spawn(run, log)
        # The worker claims the run too, and ends where it cannot: this row only comes earlier, so that a worker that
        # dies before its first line is found.
        claimed = self._store.write(
            lambda tx: tx.claim_run(run.run_id, host=this_host(), pid=worker.pid, birth=worker.birth, log_path=str(log))
        )
        if claimed:
            _log.info("RunLaunched", message=f"run {run.run_id} is process {worker.pid}", run_id=run.run_id)

    def _fork(self, run: dg.DagsterRun, log: Path) -> Process | None:
        """A worker of the warm parent, started first where there is none; None where that is not to be had."""
        if not sys.platform.startswith("linux"):
            return None
        request = {
            "run_id": run.run_id,
            "instance_ref": serialize_value(self._instance.get_ref()),
            "environment": dict(os.environ),
            "folder": str(Path.cwd()),
            "log": str(log),
        }
        try:
            return Process(**self._ask_parent(request))
        except WarmParentGone as error:
            _log.warning("LaunchedCold", message=f"the worker starts by itself: {error}", run_id=run.run_id)
            return None

    def _ask_parent(self, request: Mapping[str, object]) -> dict[str, Any]:
        version = definitions_version(self._settings)
        path = socket_path(self._settings, version)
        try:
            return ask(path, request)
        except WarmParentGone:
            self._await_parent(path, version)
        return ask(path, request)

    def _await_parent(self, path: Path, version: str) -> None:
        """Start a parent, unless this process just did, and wait until it listens or has given up."""
        deadline = time.monotonic() + WARM_S
        with self._warming:
            if is_listening(path):
                return
            log = self._settings.orchestrator_home / "logs" / "launcher.log"
            with log.open("ab") as output:
                parent = subprocess.Popen(
                    [
                        *[sys.executable, "-m", "orchestrator_defs.warm"],
                        *["--starter", str(os.getpid()), "--version", version],
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            self._parent = parent  # kept: a Popen that is collected while its process runs complains
            while not is_listening(path) and parent.poll() in (None, 0) and time.monotonic() < deadline:
                # Exit code 0: another process's parent is starting.
                time.sleep(POLL_S)

    def _spawn(self, run: dg.DagsterRun, log: Path) -> Process:
        """A worker that imports everything itself."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator_defs.worker", run.run_id, "--log", str(log)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        birth = birth_of(process.pid) or ""
        if process.stdin is not None:
            with process.stdin as arguments:
                arguments.write(serialize_value(self._instance.get_ref()).encode())
        # Nobody waits for it here; without this thread it would stay a zombie, which counts as gone all the same.
        threading.Thread(target=process.wait, name=f"run {run.run_id}", daemon=True).start()
        return Process(pid=process.pid, birth=birth)


def _is_ours(run: dg.DagsterRun) -> bool:
    """Whether a worker of ours can find the run's job: it comes from our code location."""
    origin = run.job_code_origin
    if origin is None:
        return False
    pointer = origin.repository_origin.code_pointer
    return isinstance(pointer, ModuleCodePointer) and pointer.module == DEFINITIONS
