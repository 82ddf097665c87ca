"""What leaves the machine once a Workflow is COMPLETED: branches, pull requests, notifications."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orchestrator.domain.errors import NotifyFailed, PublishFailed
from orchestrator.domain.events import EventType
from orchestrator.domain.states import WorkflowStatus
from orchestrator.engine.notify import NotifyHandler
from orchestrator.engine.publish import PublishHandler
from orchestrator.engine.pull_request import NewPullRequest, open_pull_request
from orchestrator.events import Relay
from orchestrator.settings import load_settings
from tests.orchestrator.engine.world import World, git, task, work

WORKS = [work("write", task("both", "echo new > api/new.txt", "echo done"), gits=["api", "web"])]
NEW = NewPullRequest(title="A title", body="A body", branch="orchestrator/wf-1", base="main", draft=True)


@dataclass
class Api:
    """A local server that says what it was asked; it knows one open pull request for each branch."""

    url: str
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    opened: list[dict[str, Any]] = field(default_factory=list)
    status: int = 201


@pytest.fixture
def api() -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, served.opened)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            served.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            made = {"html_url": "https://host/pull/1", "web_url": "https://host/merge_requests/1"}
            if served.status == 201:
                served.opened.append(made)
            self._answer(served.status, made if served.status == 201 else {"message": "no such base"})

        def _answer(self, status: int, body: object) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Api(url=f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def completed(world: World, **attributes: Any) -> str:
    workflow_id = world.create(world.spec(WORKS, **attributes))
    world.perform(workflow_id, "write")
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
    return workflow_id


def relay(world: World, *handlers: Any) -> None:
    Relay(world.engine.store, list(handlers), max_attempts=1).drain()


def dead(world: World) -> list[str]:
    return [letter.error for letter in world.engine.store.read(lambda reader: reader.dead_letters())]


def test_a_completed_workflows_branch_is_pushed_where_something_changed(world: World) -> None:
    workflow_id = completed(world, publish={"push": True})
    handler = PublishHandler(world.engine.settings, world.engine.store)

    relay(world, handler)

    branch = f"orchestrator/{workflow_id}"
    assert git(world.api, "show", f"{branch}:new.txt") == "new"
    assert git(world.web, "branch", "--list", branch) == ""
    rows = world.engine.store.read(lambda reader: reader.publications(workflow_id))
    assert [(row.git, row.published, row.error) for row in rows] == [("api", True, None), ("web", False, None)]
    [event] = [
        event
        for event in world.engine.store.read(lambda reader: reader.events(workflow_id))
        if event.type is EventType.WORKFLOW_COMPLETED
    ]
    handler.handle(event)  # again, as after a crash: nothing changes, nothing fails
    assert dead(world) == []


def test_a_branch_that_went_another_way_is_never_forced_and_the_workflow_stays_completed(world: World) -> None:
    git(world.api, "checkout", "-q", "-b", "release")
    git(world.api, "commit", "-q", "--allow-empty", "-m", "Theirs")
    theirs = git(world.api, "rev-parse", "release")
    git(world.api, "checkout", "-q", "main")
    workflow_id = completed(world, publish={"branch": "release"})

    relay(world, PublishHandler(world.engine.settings, world.engine.store))

    assert git(world.api, "rev-parse", "release") == theirs
    assert world.workflow(workflow_id).status is WorkflowStatus.COMPLETED
    [row, _] = world.engine.store.read(lambda reader: reader.publications(workflow_id))
    assert (row.published, row.branch) == (False, "release")
    assert f"workflow {workflow_id}: published web; not api:" in dead(world)[0]


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_pull_request_is_opened_once(api: Api, kind: str) -> None:
    url = f"http://bot:t0ken@{api.url}/acme/api.git"

    first, second = (open_pull_request(url, NEW, kind=kind) for _ in range(2))

    [(_, path, headers, body)] = api.asked
    assert first == second
    if kind == "github":
        assert path == "/api/v3/repos/acme/api/pulls"
        assert headers["authorization"] == "Bearer t0ken"
        assert body == {"title": "A title", "body": "A body", "head": NEW.branch, "base": "main", "draft": True}
    else:
        assert path == "/api/v4/projects/acme%2Fapi/merge_requests"
        assert headers["private-token"] == "t0ken"
        assert (body["title"], body["source_branch"], body["target_branch"]) == ("Draft: A title", NEW.branch, "main")


def test_a_refused_pull_request_says_why_and_not_the_token(api: Api) -> None:
    api.status = 422

    with pytest.raises(PublishFailed, match=r"HTTP 422.*no such base") as refused:
        open_pull_request(f"http://bot:t0ken@{api.url}/acme/api.git", NEW, kind="github")
    assert "t0ken" not in str(refused.value)


@pytest.mark.parametrize("url", ["/srv/api", "https://bot:t@git.example/a/b.git", "https://github.com/a/b.git"])
def test_a_repository_that_takes_no_pull_request_is_named(url: str) -> None:
    with pytest.raises(PublishFailed, match="pull request"):
        open_pull_request(url, NEW)


def test_each_address_is_told_once_also_when_another_fails(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = f"http://{api.url}/hooks/s3cret-path"
    monkeypatch.setenv("TEAM_HOOK", "http://127.0.0.1:9/other-s3cret")
    workflow_id = completed(world, notify={"urls": ["${TEAM_HOOK}"], "on": ["completed", "failed"]})
    settings = load_settings({**os.environ, "ORCHESTRATOR_HOME": str(world.home / "data"), "NOTIFY_URLS": hook})
    handler = NotifyHandler(settings, world.engine.store)

    relay(world, handler)
    world.engine.store.write(lambda tx: tx.ask_retry(None))
    Relay(world.engine.store, [handler], max_attempts=1)._hand_over.retry_dead_letters(threading.Event())

    [(_, path, _, body)] = api.asked
    assert path == "/hooks/s3cret-path"
    assert body["text"] == f"ship completed ({workflow_id})"
    assert (body["event"], body["workflowId"]) == ("WorkflowCompleted", workflow_id)
    [error] = dead(world)
    assert "http://127.0.0.1:9" in error
    assert "s3cret" not in error
    assert "s3cret" not in str(settings.describe())
    assert NotifyFailed.__name__ in error


def test_a_pause_is_told_with_its_reason_masked(world: World, api: Api) -> None:
    workflow_id = world.create(world.spec(WORKS))
    store = world.engine.store
    store.write(lambda tx: tx.change_workflow(workflow_id, WorkflowStatus.READY))
    store.write(lambda tx: tx.change_workflow(workflow_id, WorkflowStatus.RUNNING))
    said = "git https://bot:hunter2-hunter2@host/x failed"
    store.write(lambda tx: tx.change_workflow(workflow_id, WorkflowStatus.FAILED, error=said))
    home = str(world.home / "data")
    settings = load_settings({"ORCHESTRATOR_HOME": home, "NOTIFY_URLS": f"http://{api.url}/hook"})

    relay(world, NotifyHandler(settings, store))

    [(_, _, _, body)] = api.asked
    assert body["text"].startswith(f"ship failed ({workflow_id}): git https://***@host/x")
