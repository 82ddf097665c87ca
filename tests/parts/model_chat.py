"""OpenAI's Chat Completions API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from tests.parts.model_api import Call, Reply, event, texts


def turns(body: dict[str, Any]) -> list[str | None]:
    found: list[str | None] = []
    for message in body.get("messages", ()):
        if message["role"] == "user":
            found.append(texts(message["content"], ("text",)))
        elif message["role"] == "tool":
            found.append(None)
    return found


def tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in body.get("tools", ())}


def whole(body: dict[str, Any], reply: Reply, input_tokens: int, output_tokens: int) -> dict[str, Any]:
    choice = {"index": 0, "message": _message(reply), "finish_reason": _finish(reply)}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": _usage(input_tokens, output_tokens)}


def stream(body: dict[str, Any], reply: Reply, input_tokens: int, output_tokens: int) -> Iterator[bytes]:
    head = _head(body, "chat.completion.chunk")
    message = _message(reply)
    for index, call in enumerate(message.get("tool_calls", ())):
        call["index"] = index
    yield event({**head, "choices": [{"index": 0, "delta": message, "finish_reason": None}]})
    yield event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(reply)}]})
    yield event({**head, "choices": [], "usage": _usage(input_tokens, output_tokens)})
    yield b"data: [DONE]\n\n"


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": 0, "model": body.get("model")}


def _message(reply: Reply) -> dict[str, Any]:
    if isinstance(reply, Call):
        function = {"name": reply.name, "arguments": json.dumps(reply.input)}
        call = {"id": f"call_{uuid.uuid4().hex[:20]}", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"role": "assistant", "content": reply.text}


def _finish(reply: Reply) -> str:
    return "tool_calls" if isinstance(reply, Call) else "stop"


def _usage(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }
