"""Webhooks: who is let in, what is stored, what fires, once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestrator.domain.firing import FiringStatus
from orchestrator.engine.specs import Specs
from orchestrator.ops.signatures import authenticate
from orchestrator.ops.webhooks import MAX_BYTES, Webhooks
from orchestrator.settings import load_settings
from orchestrator.store import Store, open_store

SECRET = "It's a Secret to Everybody"
SPEC = """\
type: orchestrator_defs.Workflow
attributes:
  name: triage
  inputs:
    title: {type: string, default: none}
    number: {type: int, default: 0}
  gits:
    api: {url: "https://bot:${TOKEN}@github.com/acme/api.git", ref: main}
  agent: {provider: builtin}
  works:
    - {name: look, tasks: [{name: read, query: Look.}]}
  triggers:
    - webhook: {source: github, event: issues.labeled}
      inputs: {title: "{{ payload.issue.title }}", number: "{{ payload.issue.number }}"}
    - {name: merged, webhook: {source: gitlab, event: merge_request.merge}}
    - {name: any, webhook: {source: ci}}
    - {git_push: {git: api}}
"""
ISSUE = {"action": "labeled", "issue": {"title": "It is broken", "number": 7}}
HEAD, NEXT = "a" * 40, "b" * 40


@dataclass(kw_only=True)
class World:
    """A server with three sources and one workflow that waits for all of them."""

    client: TestClient
    store: Store
    woken: list[int] = field(default_factory=list)

    def github(self, payload: object, *, event: str = "issues", delivery: str = "d-1", **more: Any) -> Any:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": event, "X-GitHub-Delivery": delivery}
        return self.client.post("/webhooks/github", content=body, headers={**headers, **more})

    def fired(self) -> list[tuple[str, str, dict[str, Any]]]:
        rows = self.store.read(lambda reader: reader.firings("triage"))
        return [(row.trigger, str(row.status), dict(row.inputs)) for row in reversed(rows)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "specs" / "triage").mkdir(parents=True)
    (tmp_path / "specs" / "triage" / "defs.yaml").write_text(SPEC)
    secrets = {f"WEBHOOK_SECRET_{source}": SECRET for source in ("GITHUB", "GITLAB", "CI")}
    settings = load_settings({"ORCHESTRATOR_HOME": str(tmp_path / "home"), **secrets})
    store = open_store(settings.database_url)
    store.migrate()
    made = World(client=None, store=store)  # type: ignore[arg-type]  # below: the server wakes the world
    webhooks = Webhooks(settings, store, Specs([tmp_path / "specs"]), fired=lambda: made.woken.append(1))
    with TestClient(Starlette(routes=[webhooks.route])) as client:
        made.client = client
        yield made
    store.close()


def push(after: str, *, before: str = "0" * 40, ref: str = "refs/heads/main") -> dict[str, Any]:
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "repository": {"clone_url": "https://github.com/Acme/api.git", "ssh_url": "git@github.com:Acme/api.git"},
    }


def test_githubs_own_example_of_a_signature_is_right() -> None:
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": signature, "x-github-event": "ping", "x-github-delivery": "1"}

    assert authenticate("github", SECRET, headers, b"Hello, World!").event == "ping"


def test_a_delivery_is_stored_with_what_it_fires_and_its_inputs_come_from_the_payload(world: World) -> None:
    answer = world.github(ISSUE)

    assert (answer.status_code, len(answer.json()["fired"]), len(world.woken)) == (202, 1, 1)
    assert world.fired() == [("webhook_1", "WAITING", {"title": "It is broken", "number": 7})]


def test_a_delivery_fires_once_however_often_it_comes_also_under_another_id(world: World) -> None:
    answers = [world.github(ISSUE), world.github(ISSUE), world.github(ISSUE, delivery="replayed")]

    assert [answer.status_code for answer in answers] == [202, 200, 200]
    assert len(world.fired()) == 1


def test_a_delivery_of_another_event_is_taken_and_fires_nothing(world: World) -> None:
    answer = world.github({"action": "opened"})

    assert (answer.status_code, answer.json()["fired"], world.fired()) == (202, [], [])


def test_a_payload_that_does_not_fill_the_template_is_a_failed_firing_that_says_so(world: World) -> None:
    assert world.github({"action": "labeled", "issue": {"title": "no number"}}).status_code == 202

    [row] = world.store.read(lambda reader: reader.firings("triage"))
    assert row.status is FiringStatus.FAILED
    assert 'input "number"' in row.reason


BAD: list[tuple[str, int, dict[str, Any]]] = [
    ("forged", 401, {"X-Hub-Signature-256": "sha256=" + "0" * 64}),
    ("unsigned", 401, {"X-Hub-Signature-256": ""}),
    ("without an id", 400, {"X-GitHub-Delivery": ""}),
    ("without an event", 400, {"X-GitHub-Event": ""}),
]


@pytest.mark.parametrize(("what", "status", "headers"), BAD, ids=[what for what, _, _ in BAD])
def test_a_delivery_with_wrong_headers_is_refused_and_nothing_is_stored(
    world: World, what: str, status: int, headers: dict[str, str]
) -> None:
    assert world.github(ISSUE, **headers).status_code == status, what
    assert world.fired() == []
    assert world.github(ISSUE).status_code == 202, "its id is not taken"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff\xfe{}", 400),
        (b'{"action":', 400),
        (b"[1]", 400),
        (b"[" * 100_000, 400),
        (b" " * (MAX_BYTES + 1), 413),
    ],
    ids=["no utf-8", "truncated", "no object", "nested", "too large"],
)
def test_a_body_that_is_no_payload_is_refused(world: World, body: bytes, status: int) -> None:
    assert world.github(body).status_code == status
    assert world.fired() == []


def test_an_unknown_source_is_not_found_and_only_post_is_taken(world: World) -> None:
    assert world.client.post("/webhooks/nobody", json=ISSUE).status_code == 404
    assert world.client.get("/webhooks/github").status_code == 405


def test_gitlabs_token_and_event_names_are_understood(world: World) -> None:
    payload = {"object_attributes": {"action": "merge"}}
    headers = {"X-Gitlab-Event": "Merge Request Hook", "X-Gitlab-Event-UUID": "u-1"}
    wrong = world.client.post("/webhooks/gitlab", json=payload, headers={**headers, "X-Gitlab-Token": "guess"})
    right = world.client.post("/webhooks/gitlab", json=payload, headers={**headers, "X-Gitlab-Token": SECRET})

    assert (wrong.status_code, right.status_code) == (401, 202)
    assert [name for name, _, _ in world.fired()] == ["merged"]


def standard(body: bytes, *, id: str = "m-1", at: float | None = None) -> dict[str, str]:
    sent_at = str(int(time.time() if at is None else at))
    digest = hmac.new(SECRET.encode(), f"{id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": id, "webhook-timestamp": sent_at, "webhook-signature": signature}


def test_standard_webhooks_are_taken_while_they_are_fresh(world: World) -> None:
    body = b'{"x": 1}'
    fresh = world.client.post("/webhooks/ci", content=body, headers=standard(body))
    old = world.client.post("/webhooks/ci", content=body, headers=standard(body, id="m-2", at=time.time() - 3600))
    renamed = {**standard(body), "webhook-id": "m-3"}

    assert (fresh.status_code, old.status_code) == (202, 401)
    assert world.client.post("/webhooks/ci", content=body, headers=renamed).status_code == 401
    assert len(world.fired()) == 1


def test_a_generic_sender_may_send_the_same_body_twice_under_two_ids(world: World) -> None:
    body = b'{"deploy": true}'
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    statuses = [
        world.client.post(
            "/webhooks/ci", content=body, headers={"X-Signature-256": signature, "X-Delivery-Id": id}
        ).status_code
        for id in ("1", "2", "2")
    ]

    assert statuses == [202, 202, 200]
    assert len(world.fired()) == 2


def test_a_push_fires_once_for_each_head_and_again_when_a_head_comes_back(world: World) -> None:
    for number, after in enumerate((HEAD, HEAD, NEXT, HEAD)):
        world.github({**push(after), "sent": number}, event="push", delivery=f"p-{number}")

    assert [name for name, _, _ in world.fired()] == ["git_push_1"] * 3


@pytest.mark.parametrize(
    "payload",
    [push("0" * 40), push(HEAD, ref="refs/heads/other"), {**push(HEAD), "repository": {}}, {"ref": 3, "after": []}],
    ids=["deleted", "another ref", "another repository", "odd types"],
)
def test_a_push_of_something_else_fires_nothing(world: World, payload: dict[str, Any]) -> None:
    assert world.github(payload, event="push").status_code == 202
    assert world.fired() == []


def test_deliveries_at_once_are_each_answered_for_themselves(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        sent = [
            pool.submit(world.github, {**ISSUE, "n": number % 10}, delivery=f"d-{number % 10}") for number in range(40)
        ]
        statuses = sorted(each.result().status_code for each in sent)

    assert statuses == [200] * 30 + [202] * 10
    assert len(world.fired()) == 10
