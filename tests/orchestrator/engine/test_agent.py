"""What an agent is started with."""

from __future__ import annotations

import pytest

from orchestrator.engine.agent import _server
from orchestrator.observe import log
from orchestrator.observe.mask import Mask
from orchestrator.spec.model import McpServerSpec


def test_what_an_mcp_server_is_given_is_masked_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log._Masks, "current", Mask.load({}))
    monkeypatch.setenv("THEIRS", "l1cence-of-theirs")
    assert log.mask_text("got l1cence-of-theirs") == "got l1cence-of-theirs"
    _server("files", McpServerSpec(command="npx", env={"LICENCE": "${THEIRS}"}))
    _server("web", McpServerSpec(url="http://host/", headers={"X-Seat": "seat-77-b"}))
    assert log.mask_text("got l1cence-of-theirs for seat-77-b") == "got *** for ***"
