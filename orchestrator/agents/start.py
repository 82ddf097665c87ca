"""Starting an agent: the blocking face of a conversation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.agents.loop import LoopThread
from orchestrator.agents.session import AgentSession, AgentStart, Turn, Usage
from orchestrator.domain.errors import AgentTimeout
from orchestrator.domain.failpoints import reached
from orchestrator.domain.stop import Stop
from orchestrator.observe.trace import span

if TYPE_CHECKING:
    from orchestrator.agents.acp import AcpConversation


@contextmanager
def start_agent(start: AgentStart, *, stop: Stop | None = None) -> Iterator[AgentSession]:
    """A running agent, ready for queries. At the block's end it and everything it started are gone, whatever ended it.

    The order to stop cuts short the start and every query; it then comes out of them.

    Raises:
        AgentStartError: it cannot be run or is not ready in time.
        AgentCrashed: it ended before it was ready.
        AgentTimeout: at the end: something of it would not die within the stop time-out.
    """
    # The protocol's 200 kB of models take 0.8 s to import: whoever starts no agent does not pay for them.
    from orchestrator.agents.acp import AcpConversation

    with LoopThread(stop) as loop:
        conversation = AcpConversation(start)
        try:
            loop.call(conversation.start())
            reached("agent.start.after")
            yield _BlockingSession(start, loop, conversation)
        except BaseException:
            # What went wrong first is what the caller has to hear.
            with contextlib.suppress(AgentTimeout):
                _stop(loop, conversation)
            raise
        reached("agent.stop.before")
        _stop(loop, conversation)
        reached("agent.stop.after")


def _stop(loop: LoopThread, conversation: AcpConversation) -> None:
    with span("agent.stop"):
        loop.finish(conversation.stop())


class _BlockingSession:
    """`AgentSession` for a thread that waits."""

    def __init__(self, start: AgentStart, loop: LoopThread, conversation: AcpConversation) -> None:
        self._loop = loop
        self._conversation = conversation
        self.provider = start.profile.provider
        self.model = start.model
        self.pid = conversation.pid
        self.session_id = conversation.session_id
        self.resumed = conversation.resumed
        self.not_resumed = conversation.not_resumed
        self.start_duration_ms = conversation.start_duration_ms

    @property
    def usage(self) -> Usage:
        return self._conversation.usage

    def query(self, text: str, *, timeout_ms: int | None = None) -> Turn:
        reached("agent.query.before")
        turn = self._loop.call(self._conversation.query(text, timeout_ms=timeout_ms))
        reached("agent.answer.after")
        return turn

    def cancel(self) -> None:
        # Not waited for: the block may be ending in its own thread just now.
        self._loop.post(self._conversation.cancel())
