"""A call that may hang: made in a thread of its own, one at a time, waited for as long as the caller likes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Probe(Generic[T]):
    """Makes one call at a time, however many ask for it: who asks while it is under way gets that one's result.

    So a dependency that hangs holds one thread, for ever if need be, and never a second one.
    """

    def __init__(self, name: str, call: Callable[[], T]) -> None:
        self._name = name
        self._call = call
        self._lock = threading.Lock()
        self._under_way: Future[T] | None = None

    def start(self) -> Future[T]:
        """The result to be; wait for it with a limit."""
        with self._lock:
            if self._under_way is None or self._under_way.done():
                self._under_way = Future()
                # A daemon: one that hangs may not keep the process from ending.
                thread = threading.Thread(target=self._make, args=(self._under_way,), name=self._name, daemon=True)
                thread.start()
            return self._under_way

    def _make(self, result: Future[T]) -> None:
        try:
            result.set_result(self._call())
        except BaseException as error:  # noqa: BLE001 — whatever it is, whoever waits has to hear of it
            result.set_exception(error)
