"""HTTP with limits: clients that are slow, silent or greedy lose their connection and nobody else notices."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# Longer than the slowest answer, `/ready` with everything hanging.
CONNECTION_S = 30.0


class ImpatientProtocol(H11Protocol):
    """uvicorn's own protocol; a connection has 30 s for each request, from its first byte, or silence, to the answer.

    uvicorn limits only the pause between two requests: whoever sends nothing at all, a byte a minute, or never reads
    the answer would hold its connection for ever. Its header limit, 64 KiB, refuses what is oversized.
    """

    _limit: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # narrower than asyncio's
        super().connection_made(transport)
        self._limit = self.loop.call_later(CONNECTION_S, transport.abort)

    def on_response_complete(self) -> None:
        self._limit.cancel()
        if not self.transport.is_closing():
            self._limit = self.loop.call_later(CONNECTION_S, self.transport.abort)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._limit.cancel()
        super().connection_lost(exc)
