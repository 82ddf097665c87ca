"""A Work performed in a thread of its own, so that whoever records its facts never holds it up."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from orchestrator.domain.errors import WorkStopped
from orchestrator.domain.stop import Stop
from orchestrator.engine.engine import Engine
from orchestrator.engine.facts import Fact
from orchestrator.engine.perform import perform


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


class Performance:
    """One Work, from the start of the `with` block on; iterating gives its facts as they come true, then its error.

    The caller's thread only waits: an exception that a signal raises there reaches nothing of the Work. `stop` ends it
    in order.
    """

    def __init__(self, engine: Engine, *, workflow_id: str, work: str) -> None:
        self._stop = Stop()
        self._facts: SimpleQueue[Fact | _End] = SimpleQueue()
        facts = perform(engine, workflow_id=workflow_id, work=work, stop=self._stop)
        context = contextvars.copy_context()
        # Daemon: a second signal ends the process at once, however the Work stands.
        self._thread = threading.Thread(
            target=context.run, args=(self._perform, facts), name=f"work-{work}", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Not where a second signal cut `stop` short: whoever sends one does not want to wait.
        if kind is None or issubclass(kind, Exception):
            self._thread.join()

    def __iter__(self) -> Iterator[Fact]:
        while True:
            fact = self._facts.get()
            if not isinstance(fact, _End):
                yield fact
            elif fact.error is None:
                return
            else:
                raise fact.error

    def stop(self, why: WorkStopped) -> None:
        """Have it end with this error, and wait until its agent is gone and its state is written down."""
        self._stop.order(why)
        self._thread.join()

    def _perform(self, facts: Iterator[Fact]) -> None:
        end = _End()
        try:
            for fact in facts:
                self._facts.put(fact)
        except BaseException as error:  # noqa: BLE001 — handed over to the thread that waits
            end = _End(error)
        self._facts.put(end)
