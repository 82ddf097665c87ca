"""OpenAI's Responses API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from tests.parts.model_api import Call, Reply, event, texts


def turns(body: dict[str, Any]) -> list[str | None]:
    given = body.get("input", ())
    if isinstance(given, str):
        return [given]
    found: list[str | None] = []
    for item in given:
        if item.get("type", "message") == "message" and item.get("role") == "user":
            found.append(texts(item.get("content"), ("input_text",)))
        elif str(item.get("type")).endswith("_output"):
            found.append(None)
    return found


def tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for tool in body.get("tools", ()):
        if tool.get("type") == "namespace":
            for inner in tool.get("tools", ()):
                name = f"{tool['name']}{inner['name']}"
                found[name] = {**inner.get("parameters", {}), "x-namespace": tool["name"]}
        elif "name" in tool:
            found[tool["name"]] = tool.get("parameters", {})
    return found


def whole(body: dict[str, Any], reply: Reply, input_tokens: int, output_tokens: int) -> dict[str, Any]:
    return {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "status": "completed",
        "model": body.get("model"),
        "output": [_item(reply)],
        "usage": {
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_tokens + output_tokens,
        },
    }


def stream(body: dict[str, Any], reply: Reply, input_tokens: int, output_tokens: int) -> Iterator[bytes]:
    response = whole(body, reply, input_tokens, output_tokens)
    item = response["output"][0]
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    yield event({"type": "response.created", "response": begun}, "response.created")
    empty: dict[str, Any] = {"content": []} if "content" in item else {"arguments": ""}
    added = {**item, "status": "in_progress", **empty}
    yield event({"type": "response.output_item.added", "output_index": 0, "item": added}, "response.output_item.added")
    if not isinstance(reply, Call):
        delta = {"item_id": item["id"], "output_index": 0, "content_index": 0, "delta": reply.text}
        yield event({"type": "response.output_text.delta", **delta}, "response.output_text.delta")
    yield event({"type": "response.output_item.done", "output_index": 0, "item": item}, "response.output_item.done")
    yield event({"type": "response.completed", "response": response}, "response.completed")


def _item(reply: Reply) -> dict[str, Any]:
    if isinstance(reply, Call):
        name = reply.name.removeprefix(reply.namespace or "")
        return {
            "id": f"fc_{uuid.uuid4().hex}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{uuid.uuid4().hex[:20]}",
            "name": name,
            "arguments": json.dumps(reply.input),
            **({"namespace": reply.namespace} if reply.namespace else {}),
        }
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": reply.text, "annotations": []}],
    }
