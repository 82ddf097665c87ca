"""The relay: every event to every handler that wants it, at least once, each Workflow's in order."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from orchestrator.domain.events import Event, EventType
from orchestrator.domain.states import WorkflowStatus
from orchestrator.events import Relay
from orchestrator.store import Store, Transaction, open_store
from tests.orchestrator.events.listener import Listener, fail
from tests.orchestrator.store.examples import ID, WORKFLOW, change, create, event_types
from tests.parts.postgres import Postgres


def pending(store: Store) -> int:
    return store.read(lambda reader: reader.pending_event_count())


def test_events_go_in_order_to_the_handlers_of_their_type_and_only_once(store: Store) -> None:
    everything, starts = Listener(), Listener(types={EventType.WORKFLOW_STARTED})
    create(store)
    change(store, WorkflowStatus.READY)
    change(store, WorkflowStatus.RUNNING)
    relay = Relay(store, [everything, starts])

    assert (relay.drain(), relay.drain()) == (4, 0)
    assert [event.type.value for event in everything.heard] == event_types(store)
    assert [event.type for event in starts.heard] == [EventType.WORKFLOW_STARTED]
    assert pending(store) == 0


def test_a_handler_gets_the_context_of_the_event(store: Store) -> None:
    create(store)
    seen: list[dict[str, object]] = []
    Relay(store, [Listener(then=lambda event: seen.append(structlog.contextvars.get_contextvars()))]).drain()

    assert seen == [{"correlationId": f"{ID}-001", "workflowId": ID, "workId": None, "taskId": None}]
    assert structlog.contextvars.get_contextvars() == {}


def test_a_handler_that_fails_gets_the_event_again(store: Store) -> None:
    create(store)
    tries: list[int] = []

    def fail_twice(event: Event) -> None:
        tries.append(1)
        if len(tries) < 3:
            fail(event)

    with capture_logs() as logs:
        Relay(store, [Listener(then=fail_twice)], retry_delay_ms=1).drain()
    assert len(tries) == 3
    assert [(line["log_level"], line["event"]) for line in logs] == [("warning", "EventHandlerRetried")] * 2


def test_every_failed_attempt_and_every_published_event_is_counted(store: Store) -> None:
    create(store)
    Relay(store, [Listener("broken", then=fail)], max_attempts=2, retry_delay_ms=1).drain()

    rows = store.read(lambda reader: reader.metric_rows())
    cells = {(row.name, row.labels): row.value for row in rows if row.cell == ""}
    assert cells["event_handler_error_total", '["broken"]'] == 2
    assert cells["event_published_total", '["WorkflowCreated"]'] == 1


def test_a_handler_that_always_fails_is_reported_and_holds_up_nobody(store: Store) -> None:
    create(store)
    change(store, WorkflowStatus.READY)
    broken, sound = Listener("broken", then=fail), Listener("sound")
    with capture_logs() as logs:
        published = Relay(store, [broken, sound], max_attempts=2, retry_delay_ms=1).drain()

    assert (published, len(broken.heard), len(sound.heard), pending(store)) == (2, 4, 2, 0)
    errors = [line for line in logs if line["log_level"] == "error"]
    assert [line["event"] for line in errors] == ["EventHandlerFailed"] * 2
    assert errors[0]["context"] == {
        "handler": "broken",
        "eventId": broken.heard[0].id,
        "type": "WorkflowCreated",
        "attempt": 2,
    }
    assert "cannot do WorkflowCreated" in errors[0]["message"]


def test_two_relays_share_the_events_and_keep_each_workflows_order(store: Store) -> None:
    workflow_ids = [f"wf-{number}" for number in range(6)]
    for workflow_id in workflow_ids:
        create(store, replace(WORKFLOW, id=workflow_id))
    for status in (WorkflowStatus.READY, WorkflowStatus.RUNNING, WorkflowStatus.COMPLETED):
        for workflow_id in workflow_ids:
            change(store, status, id=workflow_id)
    listener = Listener()
    relays = [Relay(store, [listener], batch=3, poll_ms=5) for _ in range(2)]
    stop = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(relay.run, stop) for relay in relays]
        while pending(store):
            stop.wait(0.02)
        stop.set()
        for each in running:
            each.result()

    assert len({event.id for event in listener.heard}) == len(listener.heard) == 6 * 6
    for workflow_id in workflow_ids:
        positions = [event.position or 0 for event in listener.heard if event.workflow_id == workflow_id]
        assert positions == sorted(positions)


def test_an_event_behind_one_that_another_relay_has_waits(store: Store) -> None:
    create(store)
    other = replace(WORKFLOW, id="wf-other")
    store.write(lambda tx: tx.claim_events("another relay", limit=10, seconds=60))
    change(store, WorkflowStatus.READY)
    create(store, other)
    listener = Listener()
    relay = Relay(store, [listener])

    assert relay.drain() == 1
    assert [event.workflow_id for event in listener.heard] == ["wf-other"]
    store.write(lambda tx: tx.settle_events("another relay", published=[]))
    assert relay.drain() == 2


DIES_WITH_A_CLAIM = """
import os, sys
from orchestrator.events import Relay
from orchestrator.store import open_store

class Deadly:
    name, types = "deadly", frozenset(["WorkflowCreated"])
    def handle(self, event):
        os.kill(os.getpid(), 9)

Relay(open_store(sys.argv[1]), [Deadly()], claim_seconds=float(sys.argv[2])).drain()
"""


def test_the_events_of_a_killed_relay_go_to_the_next_when_its_claim_lapses(store: Store, url: str) -> None:
    create(store)
    listener = Listener()
    relay = Relay(store, [listener], poll_ms=20)
    killed = subprocess.run([sys.executable, "-c", DIES_WITH_A_CLAIM, url, "1.0"], check=False)

    assert killed.returncode == -9
    assert relay.drain() == 0
    stop = threading.Event()
    threading.Timer(1.5, stop.set).start()
    relay.run(stop)
    assert [event.type for event in listener.heard] == [EventType.WORKFLOW_CREATED]


def test_stopping_leaves_what_was_not_handed_over(store: Store) -> None:
    create(store)
    change(store, WorkflowStatus.READY)
    stop = threading.Event()

    def stop_and_fail(event: Event) -> None:
        stop.set()
        fail(event)

    listener = Listener(then=stop_and_fail)
    Relay(store, [listener], retry_delay_ms=60_000).run(stop)

    assert len(listener.heard) == 1
    assert Relay(store, [Listener()]).drain() == 2, "given back at once, not when the claim lapses"


def test_a_stopped_relay_finishes_the_event_at_hand(store: Store) -> None:
    create(store)
    change(store, WorkflowStatus.READY)
    stop = threading.Event()
    listener = Listener(then=lambda event: stop.set())
    Relay(store, [listener]).run(stop)

    assert (len(listener.heard), pending(store)) == (1, 1)


def test_an_effect_written_with_handle_once_happens_once(store: Store) -> None:
    create(store)
    effects: list[bool] = []

    def act(event: Event) -> None:
        effects.append(store.write(lambda tx: tx.handle_once("counter", event.id)))
        if len(effects) == 1:
            fail(event)

    Relay(store, [Listener("counter", then=act)], retry_delay_ms=1).drain()
    assert effects == [True, False]
    assert store.write(lambda tx: tx.handle_once("another", store.read(lambda r: r.events())[0].id))


def test_a_handler_may_cause_events_that_are_relayed_in_turn(store: Store) -> None:
    create(store)
    listener = Listener(types={EventType.WORKFLOW_CREATED}, then=lambda event: change(store, WorkflowStatus.READY))

    assert Relay(store, [listener]).drain() == 2


def test_an_event_that_becomes_visible_below_a_published_one_is_not_lost(postgres: Postgres) -> None:
    store = open_store(postgres.create_database())
    store.migrate()
    wrote, commit = threading.Event(), threading.Event()

    def write_slowly(tx: Transaction) -> Event:
        told = tx.add_event(EventType.DISK_SPACE_LOW, correlation_id="slow")
        wrote.set()
        assert commit.wait(10)
        return told

    listener = Listener()
    relay = Relay(store, [listener])
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(store.write, write_slowly)
        assert wrote.wait(10)
        store.write(lambda tx: tx.add_event(EventType.DISK_SPACE_LOW, correlation_id="fast"))
        assert relay.drain() == 1
        commit.set()
        late = slow.result()

    assert relay.drain() == 1
    assert [event.correlation_id for event in listener.heard] == ["fast", "slow"]
    assert late.position is not None
    assert late.position < (listener.heard[0].position or 0)
    store.close()


def test_a_relay_outlasts_a_database_that_is_away(postgres: Postgres) -> None:
    store = open_store(postgres.create_database())
    store.migrate()
    create(store)
    listener = Listener()
    stop = threading.Event()
    postgres.halt()
    with ThreadPoolExecutor(1) as pool, capture_logs() as logs:
        running = pool.submit(Relay(store, [listener], poll_ms=20).run, stop)
        while not any(line["event"] == "EventRelayStalled" for line in logs):
            assert not running.done()
            stop.wait(0.05)
        postgres.launch()
        while not listener.heard:
            stop.wait(0.05)
        stop.set()
        running.result()

    assert pending(store) == 0
    store.close()


@pytest.mark.parametrize("limit", [1, 100])
def test_an_idle_relay_does_not_write(tmp_path: Path, limit: int) -> None:
    operations: list[str] = []
    store = open_store(f"sqlite:///{tmp_path}/state.db", observe=lambda operation, _: operations.append(operation))
    store.migrate()
    operations.clear()

    assert Relay(store, [Listener()], batch=limit).drain() == 0
    assert set(operations) <= {"select", "other"}
