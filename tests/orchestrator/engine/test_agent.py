"""What an agent is started with."""

from __future__ import annotations

import pytest

from orchestrator.agents import McpServer
from orchestrator.engine.agent import hide_secrets
from orchestrator.observe import log
from orchestrator.observe.mask import Mask


def test_what_an_mcp_server_is_given_is_masked_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log._Masks, "current", Mask.load({}))
    assert log.mask_text("got l1cence-of-theirs") == "got l1cence-of-theirs"
    files = McpServer(name="files", command="npx", env={"LICENCE": "l1cence-of-theirs"})
    hide_secrets([files, McpServer(name="web", kind="http", url="http://host/", headers={"X-Seat": "seat-77-b"})])
    assert log.mask_text("got l1cence-of-theirs for seat-77-b") == "got *** for ***"
