"""The operations server's HTTP answers."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.testclient import TestClient

from orchestrator.events.relay import Relay
from orchestrator.ops.server import application
from orchestrator.settings import load_settings
from orchestrator.store import open_store


def test_health_is_up_while_the_relay_runs_and_says_so_with_the_contracts_fields(tmp_path: Path) -> None:
    settings = load_settings({"ORCHESTRATOR_HOME": str(tmp_path), "APP_VERSION": "1.2.3"})
    store = open_store(settings.database_url)
    store.migrate()
    app = application(settings, Relay(store, handlers=()))
    with TestClient(app) as client:
        answer = client.get("/health")
        assert answer.status_code == 200
        body = answer.json()
        assert list(body) == ["status", "timestamp", "uptime", "version"]
        assert (body["status"], body["version"]) == ("UP", "1.2.3")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
        assert client.get("/no/such/path").status_code == 404
        assert client.post("/health").status_code == 405
    store.close()
