"""The protocol's side of the built-in agent: JSON-RPC, one message a line, on standard input and output."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from orchestrator.agents.builtin.answer import NOTHING_TO_DO, outlined, section
from orchestrator.agents.builtin.blocks import Block, blocks_of, perform
from orchestrator.agents.builtin.sessions import Session, SessionError, Sessions
from orchestrator.agents.builtin.shell import Outcome
from orchestrator.agents.outline import outline_of

PROTOCOL_VERSION = 1
_CHUNK_CHARS = 64 * 1024
_PROGRESS_EVERY_S = 0.2
_PROGRESS_CHARS = 4 * 1024
_NO_TOKENS = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
_CAPABILITIES = {
    "loadSession": True,
    "sessionCapabilities": {"resume": {}},
    "mcpCapabilities": {"http": True, "sse": True},
}


class Server:
    """Answers requests in the order they come; a prompt runs in a thread of its own, so that a cancel is heard."""

    def __init__(self) -> None:
        self._sessions = Sessions(f"{os.environ.get('HOME', '.')}/.builtin-agent")
        self._writing = threading.Lock()
        self._methods: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "initialize": self._initialize,
            "session/new": self._new,
            "session/load": self._resume,
            "session/resume": self._resume,
        }

    def handle(self, line: bytes) -> None:
        """Answer one line of input."""
        try:
            message = json.loads(line)
        except ValueError:
            self._refuse(None, -32700, "Parse error")
            return
        method, params = message.get("method"), message.get("params") or {}
        if method == "session/cancel":
            self._sessions.cancel(params.get("sessionId"))
        elif "id" in message and method is not None:
            self._answer(message["id"], method, params)

    def close(self) -> None:
        """Kill what still runs: nobody hears its outcome."""
        self._sessions.cancel_all()

    def _answer(self, request_id: Any, method: str, params: dict[str, Any]) -> None:
        try:
            if method == "session/prompt":
                session = self._sessions.begin_turn(params["sessionId"])
                query = "\n".join(part["text"] for part in params["prompt"] if part.get("type") == "text")
                threading.Thread(target=self._prompt, args=(request_id, session, query), daemon=True).start()
            elif method in self._methods:
                self._send({"id": request_id, "result": self._methods[method](params)})
            else:
                self._refuse(request_id, -32601, f"Method not found: {method}")
        except SessionError as error:
            self._refuse(request_id, -32002, str(error))
        except (KeyError, TypeError) as error:
            self._refuse(request_id, -32602, f"Invalid params: {error}")

    def _initialize(self, params: dict[str, Any]) -> dict[str, Any]:
        agent = {"name": "builtin", "title": "built-in (no model)", "version": "1"}
        return {"protocolVersion": PROTOCOL_VERSION, "agentCapabilities": _CAPABILITIES, "agentInfo": agent}

    def _new(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"sessionId": self._sessions.create(params["cwd"], params.get("_meta") or {}).id}

    def _resume(self, params: dict[str, Any]) -> dict[str, Any]:
        self._sessions.resume(params["sessionId"], params["cwd"])
        return {}

    def _prompt(self, request_id: Any, session: Session, query: str) -> None:
        try:
            parts, failed = self._perform(session, query)
        except Exception as error:  # noqa: BLE001 — a query that is never answered holds its Work up for minutes
            parts, failed = [f"The built-in agent failed: {type(error).__name__}: {error}"], True
        outline = outline_of(query)
        body = "\n\n".join(parts) or NOTHING_TO_DO
        text = body if outline is None else outlined(body, outline)
        for start in range(0, len(text), _CHUNK_CHARS):
            chunk = {"type": "text", "text": text[start : start + _CHUNK_CHARS]}
            self._update(session, {"sessionUpdate": "agent_message_chunk", "content": chunk})
        # A failed step is a refusal, so that a Work does not go on as if it had worked.
        stop_reason = "cancelled" if session.shell.cancelled else "refusal" if failed else "end_turn"
        self._sessions.end_turn(session)
        self._send({"id": request_id, "result": {"stopReason": stop_reason, "usage": _NO_TOKENS}})

    def _perform(self, session: Session, query: str) -> tuple[list[str], bool]:
        """Do the query's steps up to the first that fails: the parts of the answer, and whether one failed."""
        parts: list[str] = []
        for number, block in enumerate(blocks_of(query), start=1):
            outcome = self._tool_call(session, f"{session.id}-{session.turns}-{number}", block)
            parts.append(section(block, outcome))
            if outcome.exit_code != 0:
                return parts, True
        return parts, False

    def _tool_call(self, session: Session, call_id: str, block: Block) -> Outcome:
        """Do one step, told to the client from its begin to its end."""
        tail, told_at = "", time.monotonic()

        def progress(piece: str) -> None:
            nonlocal tail, told_at
            tail = (tail + piece)[-_PROGRESS_CHARS:]
            if time.monotonic() - told_at >= _PROGRESS_EVERY_S:
                told_at = time.monotonic()
                tell("tool_call_update", status="in_progress", content=_text_content(tail))

        def tell(update: str, **fields: Any) -> None:
            self._update(session, {"sessionUpdate": update, "toolCallId": call_id, **fields})

        raw_input = {"language": block.language, "body": block.body}
        tell("tool_call", title=block.title, kind="execute", status="in_progress", rawInput=raw_input)
        outcome = perform(block, session.shell, progress)
        status = "completed" if outcome.exit_code == 0 else "failed"
        tell("tool_call_update", status=status, content=_text_content(outcome.output[-_PROGRESS_CHARS:]))
        return outcome

    def _update(self, session: Session, update: dict[str, Any]) -> None:
        self._send({"method": "session/update", "params": {"sessionId": session.id, "update": update}})

    def _refuse(self, request_id: Any, code: int, message: str) -> None:
        self._send({"id": request_id, "error": {"code": code, "message": message}})

    def _send(self, message: dict[str, Any]) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        with self._writing:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def serve() -> None:
    """Serve until the input ends."""
    server = Server()
    for line in sys.stdin.buffer:
        server.handle(line)
    server.close()
    # Not by way of the interpreter's end: a prompt's thread may be writing.
    os._exit(0)


def _text_content(text: str) -> list[dict[str, Any]]:
    return [{"type": "content", "content": {"type": "text", "text": text}}]
