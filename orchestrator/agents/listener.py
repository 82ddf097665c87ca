"""The client's side of a turn: gathers what the agent says, answers what it asks."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from acp.schema import (
    AgentMessageChunk,
    AgentThoughtChunk,
    ContentToolCallContent,
    PermissionOption,
    RequestPermissionResponse,
    SessionInfoUpdate,
    TextContentBlock,
    ToolCallProgress,
    ToolCallStart,
    UsageUpdate,
)

from orchestrator.agents.failures import session_failure
from orchestrator.agents.permissions import Policy, answer
from orchestrator.agents.session import Update
from orchestrator.domain.failpoints import reached

ANSWER_MAX_CHARS = 4 * 1024 * 1024
_OUTPUT_KEPT_CHARS = 4 * 1024


class Listener:
    """What the SDK calls; methods that are missing here are answered "method not found".

    Attributes:
        tool_calls: started since `begin`.
        completed: how many of those were done.
        denied: titles of those that the policy denied.
        connection_notice: the last notice of a broken connection since `begin`; empty where there was none.
        cost_usd: of the whole session so far; None until the agent says.
    """

    def __init__(self, on_update: Callable[[Update], None] | None, policy: Policy) -> None:
        self._on_update = on_update
        self._policy = policy
        self.cost_usd: Decimal | None = None
        self.begin()

    def begin(self) -> None:
        """Forget the last turn, and what a resumed session replayed."""
        self._answer = io.StringIO()
        self._dropped_chars = 0
        self._last_char = "\n"
        self._message_id: str | None = None
        self._message_ended = False
        self.tool_calls = 0
        self.completed = 0
        self.denied: list[str] = []
        self.connection_notice = ""

    @property
    def text(self) -> str:
        """The answer as sent, cut where it is beyond all use."""
        if not self._dropped_chars:
            return self._answer.getvalue()
        return f"{self._answer.getvalue()}\n\n[{self._dropped_chars:,} more characters of this answer were dropped]\n"

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        """One notification of the agent's; kinds that nobody here needs pass by."""
        if isinstance(update, AgentMessageChunk) and isinstance(update.content, TextContentBlock):
            self._hear(update.content.text, update.message_id)
            self._announce(Update(kind="message", text=update.content.text))
        elif isinstance(update, AgentThoughtChunk) and isinstance(update.content, TextContentBlock):
            self._announce(Update(kind="thought", text=update.content.text))
        elif isinstance(update, ToolCallStart | ToolCallProgress):
            if isinstance(update, ToolCallStart):
                self.tool_calls += 1
                self._message_ended = True
                reached("agent.tool_call.after")
            self.completed += update.status == "completed"
            self._announce(
                Update(
                    kind="tool_call",
                    text=update.title or "",
                    tool_call_id=update.tool_call_id,
                    status=update.status or "",
                    output=_output(update),
                )
            )
        elif isinstance(update, SessionInfoUpdate):
            self._note(session_failure(update.field_meta))
        elif isinstance(update, UsageUpdate) and update.cost and update.cost.currency == "USD":
            self.cost_usd = Decimal(str(update.cost.amount))

    async def request_permission(
        self, session_id: str, tool_call: Any, options: list[PermissionOption], **_: Any
    ) -> RequestPermissionResponse:
        """Answer by the Work's `permissions`, once; nobody is asked."""
        allowed = self._policy.allows(tool_call)
        if not allowed:
            title = tool_call.title or tool_call.kind or "a tool"
            self.denied.append(title)
            self._announce(Update(kind="tool_call", text=title, tool_call_id=tool_call.tool_call_id, status="denied"))
        return answer(options, allowed=allowed)

    def _note(self, failure: Mapping[str, Any] | None) -> None:
        """What the provider reports beside the conversation: a retry, a warning."""
        if failure is None:
            return
        title = str(failure.get("title") or "")
        if failure.get("category") == "connection":
            self.connection_notice = title
        self._announce(Update(kind="notice", text=title))

    def _hear(self, text: str, message_id: str | None) -> None:
        # Words before and after a tool call are two messages: joined as they come, a heading would not start a line.
        if (self._message_ended or message_id != self._message_id) and self._last_char != "\n":
            text = "\n\n" + text
        self._message_ended, self._message_id = False, message_id
        kept = text[: ANSWER_MAX_CHARS - self._answer.tell()]
        self._answer.write(kept)
        self._dropped_chars += len(text) - len(kept)
        self._last_char = text[-1:] or self._last_char

    def _announce(self, update: Update) -> None:
        if self._on_update:
            self._on_update(update)


def _output(update: ToolCallStart | ToolCallProgress) -> str:
    """The end of what the tool printed, as far as the agent tells."""
    parts = [
        part.content.text
        for part in update.content or ()
        if isinstance(part, ContentToolCallContent) and isinstance(part.content, TextContentBlock)
    ]
    if not parts and isinstance(update.raw_output, str):
        parts = [update.raw_output]
    return "\n".join(parts)[-_OUTPUT_KEPT_CHARS:]
