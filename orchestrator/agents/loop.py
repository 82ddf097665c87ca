"""Calls from blocking code into asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any, Self, TypeVar

from orchestrator.domain.errors import AgentError
from orchestrator.domain.stop import Stop

_T = TypeVar("_T")


class LoopThread:
    """An event loop in a thread of its own, for the time of a `with` block.

    The caller's thread only waits, so an exception that a signal raises there leaves at once; the coroutine it waited
    for is cancelled. Leaving the block cancels all that still runs.
    """

    def __init__(self, stop: Stop | None = None) -> None:
        self._stop = stop or Stop()

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="agent-loop", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run the coroutine in the loop and wait for its result, or for the order to stop, which cancels it.

        Raises:
            AgentError: the block has been left.
            WorkStopped: the order to stop.
        """
        future = self._submit(coroutine)
        try:
            with self._stop.cutting(future.cancel):
                return future.result()
        except CancelledError:
            self._stop.check()
            raise
        except BaseException:
            future.cancel()
            raise

    def finish(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """As `call`, for what has to be done to its end whoever wants to stop: the stopping itself."""
        future = self._submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def post(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run the coroutine in the loop and do not wait; nothing happens when the block has been left."""
        try:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()

    def _submit(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        if self._loop.is_closed():
            coroutine.close()
            raise AgentError("the agent has ended; queries belong inside its `with` block")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _run(self, ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            ready.set()
            self._loop.run_forever()
