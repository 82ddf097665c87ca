"""Answers to what an unattended agent asks leave for."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from acp.schema import (
    AllowedOutcome,
    DeniedOutcome,
    PermissionOption,
    RequestPermissionResponse,
)

from orchestrator.domain.permissions import Permissions

_LOOKS = frozenset({"read", "search", "think", "fetch"})
_WRITES = frozenset({"edit", "delete", "move"})


class Policy:
    """One Work's `permissions`.

    Args:
        roots: folders in which `edit` may write.
        servers: names of the MCP servers that the spec gives; `read` may use them, for somebody wrote them there.
    """

    def __init__(self, permissions: Permissions, *, roots: Sequence[Path], servers: Collection[str]) -> None:
        self.permissions = permissions
        # As it was given and where its links lead: agents name files either way.
        self._roots = tuple({str(path) for root in roots for path in (root.absolute(), root.resolve())})
        self._servers = tuple(servers)

    def allows(self, tool_call: Any) -> bool:
        """Whether the tool call of a permission request may go ahead."""
        kind = tool_call.kind or "other"
        if self.permissions == "full":
            return True
        if self.permissions == "edit":
            locations = tool_call.locations or ()
            return kind not in _WRITES or all(self._is_inside(location.path) for location in locations)
        return kind in _LOOKS or (kind in ("other", "execute") and self._is_mcp(tool_call))

    def _is_inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return any(inside == root or inside.startswith(f"{root}/") for inside in (real,) for root in self._roots)

    def _is_mcp(self, tool_call: Any) -> bool:
        meta = tool_call.field_meta or {}
        name = str((meta.get("claudeCode") or {}).get("toolName") or tool_call.title or "")
        return any(name.startswith((f"mcp__{server}__", f"mcp.{server}.")) for server in self._servers)


def answer(options: Sequence[PermissionOption], *, allowed: bool) -> RequestPermissionResponse:
    """The option that says so for this once: `allow_always` makes some agents write settings into the WorkSpace."""
    wanted = "allow_once" if allowed else "reject_once"
    for option in options:
        if option.kind == wanted:
            return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=option.option_id))
    return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
