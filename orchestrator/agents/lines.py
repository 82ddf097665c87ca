"""JSON-RPC messages, one a line, over an agent's pipes, in bounded memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from orchestrator.agents.process import SupervisedProcess
from orchestrator.domain.errors import AgentProtocolError

LINE_MAX_BYTES = 16 * 1024 * 1024
_EXCERPT_CHARS = 200


class LineTransport:
    """The SDK's transport interface; its own reader joins a line of any length and logs what is no message.

    Attributes:
        violation: what the agent sent that is not the protocol; nothing is read after it.
    """

    def __init__(self, process: SupervisedProcess) -> None:
        self._process = process
        self.violation: AgentProtocolError | None = None

    async def send(self, message: dict[str, Any]) -> None:
        self._process.stdin.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        await self._process.stdin.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next message; None at the end of the stream and at a violation."""
        line = b""
        while not line:
            try:
                line = (await self._line()).strip()
            except asyncio.IncompleteReadError:
                return None
            except asyncio.LimitOverrunError:
                self.violation = AgentProtocolError(
                    f"the agent sent a line of more than {LINE_MAX_BYTES // 1024**2} MiB, no message of the protocol's"
                )
                return None
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict):
            return message
        excerpt = line[:_EXCERPT_CHARS].decode(errors="replace")
        self.violation = AgentProtocolError(
            f"the agent printed something that is not a protocol message: {excerpt!r}; it must speak the "
            "Agent Client Protocol on standard output and nothing else there"
        )
        return None

    async def _line(self) -> bytes:
        """One line; `LimitOverrunError` when it is too long. The stream's buffer is small: joined here."""
        gathered = bytearray()
        while len(gathered) <= LINE_MAX_BYTES:
            try:
                return bytes(gathered + await self._process.stdout.readuntil(b"\n"))
            except asyncio.LimitOverrunError as error:
                gathered += await self._process.stdout.readexactly(error.consumed)
        raise asyncio.LimitOverrunError("line too long", len(gathered))

    async def close(self) -> None:
        """The process owns the pipes."""
