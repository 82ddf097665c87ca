"""`orchestrator events` and `orchestrator triggers`, run as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.settings import load_settings, prepare_folders
from orchestrator.store import open_store
from tests.orchestrator.cli.test_cli import orchestrator
from tests.orchestrator.store.examples import ID, create

SPEC = """\
type: orchestrator_defs.Workflow
attributes:
  name: nightly
  gits: {api: {url: /srv/api}}
  agent: {provider: builtin}
  works: [{name: look, tasks: [{name: read, query: Look.}]}]
  triggers: [{schedule: "0 3 * * *", timezone: Asia/Seoul}, {webhook: {source: ci}}]
"""


def test_dead_letters_are_listed_and_asked_for_again(tmp_path: Path) -> None:
    settings = load_settings({"ORCHESTRATOR_HOME": str(tmp_path)})
    prepare_folders(settings)
    store = open_store(settings.database_url)
    store.migrate()
    create(store)
    [event] = store.read(lambda reader: reader.events(ID))
    store.write(lambda tx: tx.put_dead_letter("publish", event.id, error="no route", attempts=3))
    store.close()

    [letter] = json.loads(orchestrator(tmp_path, "events", "dead", "--json").stdout)
    assert (letter["handler"], letter["type"], letter["error"], letter["retry_asked"]) == (
        "publish",
        "WorkflowCreated",
        "no route",
        False,
    )
    assert orchestrator(tmp_path, "events", "retry", letter["id"]).returncode == 0
    assert "to be tried again" in orchestrator(tmp_path, "events", "dead").stdout
    assert orchestrator(tmp_path, "events", "retry", "--all").returncode == 0
    assert orchestrator(tmp_path, "events", "retry", "dl-nothing").returncode == 1
    assert orchestrator(tmp_path, "events", "retry").returncode == 2


def test_triggers_are_listed_with_their_next_time_in_their_own_zone(tmp_path: Path) -> None:
    (tmp_path / "specs" / "nightly").mkdir(parents=True)
    (tmp_path / "specs" / "nightly" / "defs.yaml").write_text(SPEC)

    ended = orchestrator(tmp_path / "home", "triggers", "--json", WORKFLOW_SPECS_PATH=str(tmp_path / "specs"))

    assert ended.returncode == 0, ended.stderr
    schedule, webhook = (row for row in json.loads(ended.stdout) if row["workflow"] == "nightly")
    assert schedule["next"].endswith("03:00:00+09:00")
    assert (schedule["last"], webhook["next"], webhook["when"]) == (None, None, "webhook ci any event")
