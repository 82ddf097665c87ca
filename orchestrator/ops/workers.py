"""Run workers of this machine: which of them live, and their end when the system stops."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from orchestrator.domain.errors import StoreError
from orchestrator.observe.log import get_logger
from orchestrator.store import Store
from orchestrator.store.rows import RunWorkerRow

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process for good: a pid is given to another one day, never with the same birth.

    Attributes:
        birth: of `birth_of`.
    """

    pid: int
    birth: str

    def is_alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        return birth_of(self.pid) == self.birth

    def send(self, number: signal.Signals) -> bool:
        """Send it a signal; False where it is gone."""
        with suppress(ProcessLookupError):
            if self.is_alive():
                os.kill(self.pid, number)
                return True
        return False


def this_host() -> str:
    """The name under which this machine's run workers are written down."""
    return socket.gethostname()


def birth_of(pid: int) -> str | None:
    """When the process began, in a form of its own; None where there is none, or a zombie.

    On Linux the machine's boot and the clock ticks since then: unlike a time of day, no clock correction changes it.
    """
    if not sys.platform.startswith("linux"):
        with suppress(psutil.Error):
            return repr(psutil.Process(pid).create_time())
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # Behind the name, which may hold anything: state is the third field, the start the 22nd (proc(5)).
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else f"{_boot()}/{fields[19].decode()}"


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def process_of(row: RunWorkerRow) -> Process:
    """The process that a row names; it is one of this machine where `row.host` is."""
    return Process(pid=row.pid, birth=row.birth)


def living_workers(store: Store) -> set[Process]:
    """The run workers of this machine that run; none where the database does not answer."""
    try:
        rows = store.read(lambda reader: reader.run_workers(this_host()))
    except StoreError as error:
        _log.warning("RunWorkersUnknown", message=f"run workers cannot be told to stop: {error}")
        return set()
    return {process for process in map(process_of, rows) if process.is_alive()}
