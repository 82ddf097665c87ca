"""What each API of the fake model turns into its own words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Words, and the end of the turn."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of one of the agent's tools; `namespace` where the API groups them."""

    name: str
    input: dict[str, Any]
    namespace: str | None = None


Reply = Say | Call


class Api(Protocol):
    """A module of this folder."""

    def turns(self, body: dict[str, Any]) -> list[str | None]:
        """The conversation: each text of the user, and None for each result of a tool."""

    def tools(self, body: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The tools that the agent offers: name -> schema of the input."""

    def stream(self, body: dict[str, Any], reply: Reply, input_tokens: int, output_tokens: int) -> Iterator[bytes]:
        """The reply as server-sent events."""

    def whole(self, body: dict[str, Any], reply: Reply, input_tokens: int, output_tokens: int) -> dict[str, Any]:
        """The reply as one JSON object."""


def event(value: dict[str, Any], name: str | None = None) -> bytes:
    """One server-sent event."""
    return (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(value)}\n\n".encode()


def texts(content: Any, kinds: tuple[str, ...]) -> str:
    """The text of a message whose content is a string, or a list of typed parts."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or () if part.get("type") in kinds)
