"""Timings of git commands and database statements: gathered in the process, stored every few seconds.

They are too many to store one by one. A process that is killed loses those of its last seconds; a store that cannot be
reached loses none, as long as the process lives.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence

from orchestrator.domain.measures import Measure, observe, totals

Write = Callable[[Sequence[Measure]], None]
FLUSH_S = 4.0
# Series and buckets are few; more than this many means that nothing was stored for long, and then single ones go.
_MOST_CELLS = 2_000


class Timings:
    """What one process has measured and not stored yet. Threads may share it; a fork starts with an empty one."""

    _lock: threading.Lock
    _stop: threading.Event
    _cells: dict[tuple[str, str, str], float]
    _thread: threading.Thread | None

    def __init__(self, *, flush_s: float = FLUSH_S) -> None:
        self._flush_s = flush_s
        self._write: Write | None = None
        self._own = threading.local()
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def attach(self, write: Write) -> None:
        """Store by `write` from now on; the one attached last counts."""
        self._write = write

    def detach(self, write: Write) -> None:
        """Store what there is by `write`, if it is the attached one, and no more after that."""
        if self._write == write:
            self.flush()
            self._write = None

    def add(self, measures: Iterable[Measure]) -> None:
        """Gather measures. Takes microseconds and never raises; what is measured while storing is left out."""
        if self._write is None or getattr(self._own, "flushing", False):
            return
        with self._lock:
            for one in measures:
                key = (one.name, one.labels, one.cell)
                if key in self._cells or len(self._cells) < _MOST_CELLS:
                    self._cells[key] = self._cells.get(key, 0.0) + one.by
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="timings", daemon=True)
                self._thread.start()

    def query(self, operation: str, duration_ms: float) -> None:
        """One database statement."""
        self.add(observe("db_query_duration_milliseconds", duration_ms, operation=operation))

    def flush(self) -> None:
        """Store what was gathered; on failure it is kept for the next time."""
        write = self._write
        if write is None:
            return
        with self._lock:
            cells, self._cells = self._cells, {}
        gathered = [Measure(name=name, labels=labels, cell=cell, by=by) for (name, labels, cell), by in cells.items()]
        if not gathered:
            return
        self._own.flushing = True
        try:
            write(totals(gathered))
        except Exception:  # noqa: BLE001 — timings may never be the reason why something fails
            with self._lock:
                for key, by in cells.items():
                    self._cells[key] = self._cells.get(key, 0.0) + by
        finally:
            self._own.flushing = False

    def _run(self) -> None:
        while not self._stop.wait(self._flush_s):
            self.flush()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._cells = {}
        self._thread = None


# One for the process: git and the database are opened in different places and measured together.
TIMINGS = Timings()


@atexit.register
def _flush_last() -> None:
    with contextlib.suppress(Exception):
        TIMINGS.flush()
