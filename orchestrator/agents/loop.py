"""Calls from blocking code into asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from orchestrator.domain.errors import AgentError

_T = TypeVar("_T")


class LoopThread:
    """An event loop in a thread of its own, for the time of a `with` block.

    The caller's thread only waits, so an exception that a signal raises there leaves at once; the coroutine it waited
    for is cancelled. Leaving the block cancels all that still runs.
    """

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
        """Run the coroutine in the loop and wait for its result.

        Raises:
            AgentError: the block has been left.
        """
        if self._loop.is_closed():
            coroutine.close()
            raise AgentError("the agent has ended; queries belong inside its `with` block")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
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

    def _run(self, ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            ready.set()
            self._loop.run_forever()
