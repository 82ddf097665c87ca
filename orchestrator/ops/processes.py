"""The processes of the whole system on one machine, started together and stopped together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import ProcessFailed
from orchestrator.observe.log import get_logger
from orchestrator.ops.workers import Process
from orchestrator.settings import Settings

_log = get_logger(__name__)
LOCATION = "orchestrator"
POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One long-lived process.

    Attributes:
        ready_port: it counts as up once something listens there; None: at once.
        first: the programs after it start only once it is up.
        spare: the system goes on without it.
    """

    name: str
    command: Sequence[str]
    ready_port: int | None = None
    first: bool = False
    spare: bool = False


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def programs(settings: Settings, *, workspace: Path, code_port: int) -> list[Program]:
    """What `orchestrator up` runs, in the order of starting."""
    module = [sys.executable, "-m"]
    # Dagster's programs, with our logs from their first line on.
    logged = [*module, "orchestrator_defs.process"]
    return [
        Program(
            name="code-server",
            command=[
                *[*logged, "dagster", "code-server", "start", "-m", "orchestrator_defs.definitions"],
                *["--host", "127.0.0.1", "--port", str(code_port), "--location-name", LOCATION],
                # It starts a server of its own, whose logs have our form once it has imported our code; until then it
                # has nothing to say but that it starts.
                *["--log-level", "warning"],
            ],
            ready_port=code_port,
            # The others look for the code location once when they start, and again only much later.
            first=True,
        ),
        # The first launch finds it warm. When it ends, whoever launches next starts another.
        Program(
            name="launcher",
            command=[*module, "orchestrator_defs.warm", "--starter", str(os.getpid())],
            spare=True,
        ),
        Program(
            name="webserver",
            command=[
                *[*logged, "dagster_webserver", "-w", str(workspace)],
                *["--host", "127.0.0.1", "--port", str(settings.dagster_ui_port)],
            ],
            ready_port=settings.dagster_ui_port,
        ),
        Program(name="daemon", command=[*logged, "dagster._daemon", "run", "-w", str(workspace)]),
        Program(
            name="operations",
            command=[*module, "orchestrator.cli", "serve"],
            ready_port=settings.port,
        ),
    ]


class System:
    """The running programs. `start` brings them up in order; `stop` ends them in the opposite one."""

    def __init__(self, programs: Sequence[Program], *, environment: Mapping[str, str], log_folder: Path) -> None:
        self._programs = programs
        self._environment = environment
        self._log_folder = log_folder
        self._running: list[tuple[Program, subprocess.Popen[bytes]]] = []

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Start each program and wait for its port.

        Raises:
            ProcessFailed: one ended or did not listen in time; all are stopped again.
        """
        self._log_folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + timeout_s
        for program in self._programs:
            if program.ready_port is not None and _listens(program.ready_port):
                raise ProcessFailed(f"{program.name}: port {program.ready_port} is taken; stop what listens there")
        for program in self._programs:
            with self._log(program).open("ab") as log:
                process = subprocess.Popen(
                    program.command,
                    env=dict(self._environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Its own session: a Ctrl-C at the terminal reaches us alone, and we stop the rest in order.
                    start_new_session=True,
                )
            self._running.append((program, process))
            if program.first:
                self._await(program, process, deadline)
        for program, process in self._running:
            if not program.first:
                self._await(program, process, deadline)

    def watch(self, stop: threading.Event) -> None:
        """Stay until `stop` is set, or raise `ProcessFailed` when a program ends by itself."""
        while not stop.wait(POLL_S):
            for program, process in self._running:
                if process.poll() is not None and not program.spare:
                    raise self._ended(program, process)

    def stop(
        self,
        *,
        timeout_s: float,
        workers: Callable[[], set[Process]] = set,
        at_once: threading.Event | None = None,
    ) -> None:
        """SIGTERM in the opposite order of starting, SIGKILL when the time is up; to whole groups both times.

        Args:
            workers: the run workers and parents that live now. They are in sessions of their own, and are told as well:
                a worker pauses its Workflow and ends.
            at_once: cuts the time short once it is set.
        """
        deadline = time.monotonic() + timeout_s
        told = _tell(workers(), set())
        for _, process in reversed(self._running):
            _signal_group(process, signal.SIGTERM)
        while self._is_alive() or any(worker.is_alive() for worker in told):
            if time.monotonic() > deadline or (at_once is not None and at_once.is_set()):
                break
            # Until it is gone the webserver or the daemon may start one more.
            told |= _tell(workers(), told)
            time.sleep(POLL_S)
        for program, process in reversed(self._running):
            if process.poll() is None:
                _log.warning("ProcessKilled", message=f"{program.name} did not end on SIGTERM")
        for worker in told:
            if worker.send(signal.SIGKILL):
                _log.warning("ProcessKilled", message=f"run worker {worker.pid} did not end on SIGTERM")
        for _, process in self._running:
            # The group outlives its leader when that left children behind.
            _signal_group(process, signal.SIGKILL)
            process.wait()

    def _is_alive(self) -> bool:
        return any(process.poll() is None for _, process in self._running)

    def _await(self, program: Program, process: subprocess.Popen[bytes], deadline: float) -> None:
        while program.ready_port is not None and not _listens(program.ready_port):
            if process.poll() is not None:
                raise self._ended(program, process)
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{program.name} is not ready in time; its log: {self._log(program)}")
            time.sleep(POLL_S)
        _log.info("ProcessReady", message=f"{program.name} is ready", pid=process.pid)

    def _ended(self, program: Program, process: subprocess.Popen[bytes]) -> ProcessFailed:
        return ProcessFailed(f"{program.name} ended with exit code {process.returncode}; its log: {self._log(program)}")

    def _log(self, program: Program) -> Path:
        return self._log_folder / f"{program.name}.log"


def _tell(workers: set[Process], told: set[Process]) -> set[Process]:
    """SIGTERM to those that were not told before; they."""
    return {worker for worker in workers - told if worker.send(signal.SIGTERM)}


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
