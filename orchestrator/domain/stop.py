"""How a Work that is being performed is told to stop, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.domain.errors import WorkStopped


class Stop:
    """The order to stop: why, as the error that ends the Work. The first one counts.

    Whoever waits for something long registers how to cut the wait short; whoever does many short things asks `check`
    between them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._why: WorkStopped | None = None
        self._waits: list[Callable[[], object]] = []

    @property
    def why(self) -> WorkStopped | None:
        """The order, None while there is none."""
        return self._why

    def order(self, why: WorkStopped) -> None:
        """End the Work with this error, at its next step or now where it waits."""
        with self._lock:
            if self._why is not None:
                return
            self._why = why
            waits = list(self._waits)
        for cut_short in waits:
            cut_short()

    def check(self) -> None:
        """Raise the order, if there is one."""
        if self._why is not None:
            raise self._why

    @contextmanager
    def cutting(self, cut_short: Callable[[], object]) -> Iterator[None]:
        """Have `cut_short` called, in the orderer's thread, when the order comes while the block waits, or has come."""
        with self._lock:
            ordered = self._why is not None
            if not ordered:
                self._waits.append(cut_short)
        if ordered:
            cut_short()
        try:
            yield
        finally:
            with self._lock:
                if cut_short in self._waits:
                    self._waits.remove(cut_short)
