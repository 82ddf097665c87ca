"""Anthropic's Messages API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from tests.parts.model_api import Call, Reply, event, texts


def turns(body: dict[str, Any]) -> list[str | None]:
    found: list[str | None] = []
    for message in body.get("messages", ()):
        if message["role"] != "user":
            continue
        content = message["content"]
        parts = [] if isinstance(content, str) else content
        found += [None for part in parts if part.get("type") == "tool_result"]
        if said := texts(content, ("text",)):
            found.append(said)
    return found


def tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {tool["name"]: tool.get("input_schema", {}) for tool in body.get("tools", ())}


def whole(body: dict[str, Any], reply: Reply, input_tokens: int, output_tokens: int) -> dict[str, Any]:
    call = isinstance(reply, Call)
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": [_block(reply)],
        "stop_reason": "tool_use" if call else "end_turn",
        "stop_sequence": None,
        "usage": _usage(input_tokens, output_tokens),
    }


def stream(body: dict[str, Any], reply: Reply, input_tokens: int, output_tokens: int) -> Iterator[bytes]:
    message = whole(body, reply, input_tokens, output_tokens)
    started = {**message, "content": [], "stop_reason": None, "usage": _usage(input_tokens, 1)}
    yield event({"type": "message_start", "message": started}, "message_start")
    block = message["content"][0]
    if isinstance(reply, Call):
        empty = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(reply.input)}
    else:
        empty = {**block, "text": ""}
        delta = {"type": "text_delta", "text": reply.text}
    yield event({"type": "content_block_start", "index": 0, "content_block": empty}, "content_block_start")
    yield event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
    yield event({"type": "content_block_stop", "index": 0}, "content_block_stop")
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield event({"type": "message_delta", "delta": ended, "usage": {"output_tokens": output_tokens}}, "message_delta")
    yield event({"type": "message_stop"}, "message_stop")


def _block(reply: Reply) -> dict[str, Any]:
    if isinstance(reply, Call):
        return {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex[:20]}", "name": reply.name, "input": reply.input}
    return {"type": "text", "text": reply.text}


def _usage(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }
