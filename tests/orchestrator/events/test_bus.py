"""Every bus: at least once, in each Workflow's order, tried again, and at last a dead letter."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog

from orchestrator.domain.errors import BusError
from orchestrator.domain.events import Event, EventType
from orchestrator.domain.measures import SUM
from orchestrator.domain.states import WorkflowStatus
from orchestrator.events import Bus, Handler, Relay
from orchestrator.events.redis_bus import RedisBus
from orchestrator.events.stream import Stream
from orchestrator.store import Store, open_store
from tests.orchestrator.events.listener import Listener, fail
from tests.orchestrator.store.examples import ID, WORKFLOW, change, create, event_types
from tests.parts.valkey import Valkey, valkey, wait_for

__all__ = ["valkey"]

Open = Callable[[Sequence[Handler]], Bus]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/state.db")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture(params=["in-memory", "redis"])
def open_bus(request: pytest.FixtureRequest, store: Store) -> Open:
    """Makes a bus over the store; several may run at once."""
    if request.param == "in-memory":
        return lambda handlers: Relay(store, handlers, max_attempts=2, retry_delay_ms=1, claim_seconds=2)
    server: Valkey = request.getfixturevalue("valkey")
    return lambda handlers: RedisBus(
        store, handlers, Stream(server.url), max_attempts=2, retry_delay_ms=1, claim_seconds=2
    )


@contextmanager
def running(*buses: Bus) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=bus.run, args=(stop,)) for bus in buses]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def pending(store: Store) -> int:
    return store.read(lambda reader: reader.pending_event_count())


def finished(store: Store, *ids: str) -> None:
    """Workflows from CREATED to COMPLETED."""
    for id in ids:
        create(store, replace(WORKFLOW, id=id))
    for status in (WorkflowStatus.READY, WorkflowStatus.RUNNING, WorkflowStatus.COMPLETED):
        for id in ids:
            change(store, status, id=id)


def test_events_go_to_the_handlers_of_their_type_once_and_in_each_workflows_order(store: Store, open_bus: Open) -> None:
    everything, ends = Listener(), Listener("ends", types={EventType.WORKFLOW_COMPLETED})
    with running(open_bus([everything, ends]), open_bus([everything, ends])):
        ids = [f"wf-{number}" for number in range(6)]
        finished(store, *ids)
        wait_for(lambda: not pending(store), "every event")

    assert len({event.id for event in everything.heard}) == len(everything.heard) == 6 * 6
    assert len(ends.heard) == 6
    for id in ids:
        assert [event.type.value for event in everything.heard if event.workflow_id == id] == event_types(store, id)


def test_a_handler_gets_the_correlation_id_of_the_event(store: Store, open_bus: Open) -> None:
    seen: list[object] = []
    with running(open_bus([Listener(then=lambda _: seen.append(structlog.contextvars.get_contextvars()))])):
        create(store)
        wait_for(lambda: seen, "the event")

    assert seen == [{"correlationId": f"{ID}-001", "workflowId": ID, "workId": None, "taskId": None}]


def test_an_event_that_always_fails_its_handler_becomes_a_dead_letter_and_holds_up_nobody(
    store: Store, open_bus: Open
) -> None:
    broken, sound = Listener("broken", then=fail), Listener("sound")
    with running(open_bus([broken, sound])):
        finished(store, ID)
        wait_for(lambda: not pending(store), "every event")

    assert (len(sound.heard), len(broken.heard)) == (6, 12)
    letters = store.read(lambda reader: reader.dead_letters())
    assert [letter.event_id for letter in letters] == [event.id for event in sound.heard]
    assert {(letter.handler, letter.attempts) for letter in letters} == {("broken", 2)}
    assert "cannot do WorkflowCreated" in letters[0].error


def test_every_bus_counts_what_was_published_what_handlers_raised_and_how_long_it_took(
    store: Store, open_bus: Open
) -> None:
    with running(open_bus([Listener("broken", then=fail), Listener("sound")])):
        finished(store, ID)
        wait_for(lambda: not pending(store), "every event")

    rows = store.read(lambda reader: reader.metric_rows())
    published = {row.labels: row.value for row in rows if row.name == "event_published_total"}
    assert published == Counter(f'["{type}"]' for type in event_types(store))
    assert [row.value for row in rows if row.name == "event_handler_error_total"] == [12]
    delay = {row.cell: row.value for row in rows if row.name == "event_processing_delay_milliseconds"}
    assert sum(count for cell, count in delay.items() if cell != SUM) == 6
    assert delay[SUM] >= 0


def test_a_dead_letter_is_handed_over_again_when_somebody_asks_and_only_to_its_handler(
    store: Store, open_bus: Open
) -> None:
    mended = threading.Event()
    moody = Listener("moody", then=lambda event: None if mended.is_set() else fail(event))
    other = Listener("other")
    with running(open_bus([moody, other])):
        create(store)
        wait_for(lambda: store.read(lambda reader: reader.dead_letters()), "the dead letter")
        [letter] = store.read(lambda reader: reader.dead_letters())
        mended.set()
        assert store.write(lambda tx: tx.ask_retry(letter.id)) == 1
        wait_for(lambda: not store.read(lambda reader: reader.dead_letters()), "its end")

    assert (len(moody.heard), len(other.heard)) == (3, 1)


def test_a_dead_letter_that_fails_again_stays_and_waits_to_be_asked_for(store: Store, open_bus: Open) -> None:
    broken = Listener("broken", then=fail)
    with running(open_bus([broken])):
        create(store)
        wait_for(lambda: store.read(lambda reader: reader.dead_letters()), "the dead letter")
        assert store.write(lambda tx: tx.ask_retry(None)) == 1
        wait_for(lambda: len(broken.heard) == 4, "the second round")
        wait_for(lambda: not store.read(lambda reader: reader.dead_letters(asked_only=True)), "its end")

    assert [letter.attempts for letter in store.read(lambda reader: reader.dead_letters())] == [2]


def test_what_a_stopped_bus_had_in_hand_goes_to_the_next(store: Store, open_bus: Open) -> None:
    began = threading.Event()

    def begin_and_fail(event: Event) -> None:
        began.set()
        fail(event)

    create(store)
    first = open_bus([Listener(then=begin_and_fail)])
    first._hand_over._retry_delay_ms = 60_000  # type: ignore[attr-defined]  # a handler that is in its pause
    with running(first):
        assert began.wait(30)
    listener = Listener()
    with running(open_bus([listener])):
        wait_for(lambda: listener.heard, "the event")

    assert not store.read(lambda reader: reader.dead_letters())


def test_while_redis_is_gone_events_wait_and_all_are_delivered_afterwards(store: Store, valkey: Valkey) -> None:
    listener = Listener()
    bus = RedisBus(store, [listener], Stream(valkey.url, timeout_s=1))
    with running(bus):
        finished(store, "wf-before")
        wait_for(lambda: not pending(store), "the first events")
        valkey.kill()
        finished(store, "wf-during")
        wait_for(lambda: bus.publish_failure_streak >= 5, "five failures in a row")
        assert pending(store) == 6
        valkey.launch()
        wait_for(lambda: not pending(store), "the events that waited")
        assert bus.publish_failure_streak == 0

    heard = [event.type.value for event in listener.heard if event.workflow_id == "wf-during"]
    assert heard == event_types(store, "wf-during")


def test_an_entry_that_a_dying_redis_took_along_is_published_anew(store: Store, valkey: Valkey) -> None:
    create(store)
    lost = RedisBus(store, [], Stream(valkey.url), consumers=0)
    stop = threading.Event()
    thread = threading.Thread(target=lost.run, args=(stop,))
    thread.start()
    stream = Stream(valkey.url)
    wait_for(lambda: stream.depth()[0] == 1, "the entry")
    valkey.kill()
    valkey.launch()
    listener = Listener()
    with running(RedisBus(store, [listener], Stream(valkey.url), claim_seconds=2)):
        stop.set()
        thread.join()
        wait_for(lambda: listener.heard, "the event")


def test_an_entry_of_a_consumer_that_died_goes_to_another_and_what_was_handled_is_not_handed_over_again(
    store: Store, valkey: Valkey
) -> None:
    finished(store, ID)
    events = store.read(lambda reader: reader.events(ID))
    stream, listener = Stream(valkey.url), Listener()
    publisher = RedisBus(store, [], Stream(valkey.url), consumers=0)
    with running(publisher):
        wait_for(lambda: stream.depth()[0] == 1, "the entry")
        assert len(stream.read("dead", count=5, block_ms=1000)) == 1
        store.write(lambda tx: tx.settle_events("dead", published=[events[0].id]))
        with running(RedisBus(store, [listener], Stream(valkey.url), claim_seconds=1)):
            wait_for(lambda: not pending(store), "the rest")

    assert [event.id for event in listener.heard] == [event.id for event in events[1:]]
    assert stream.depth() == (0, 0)


# What docs/events.md tells an operator to allow.
RULE = "~{orchestrator}:* +@read +@write +@stream +@scripting +@connection +info +time +cluster"


@pytest.mark.parametrize("password", ["s3cret-word", "with:colon@and/slash"])
def test_a_user_with_few_rights_will_do_and_no_message_shows_its_password(
    store: Store, valkey: Valkey, password: str
) -> None:
    with valkey.client() as client:
        client.execute_command("ACL", "SETUSER", "events", "on", f">{password}", *RULE.split())
    listener = Listener()
    right = f"redis://events:{quote(password, safe='')}@127.0.0.1:{valkey.port}"
    with running(RedisBus(store, [listener], Stream(right))):
        create(store)
        wait_for(lambda: listener.heard, "the event")
    with pytest.raises(BusError) as refused:
        Stream(right.replace("@127", "x@127")).ping()

    assert "AuthenticationError" in str(refused.value)
    assert quote(password, safe="") not in str(refused.value)
