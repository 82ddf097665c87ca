"""A Redis Cluster of six nodes whose master dies."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from orchestrator.domain.events import EventType
from orchestrator.events.redis_bus import RedisBus
from orchestrator.events.stream import Stream
from orchestrator.store import open_store
from tests.orchestrator.events.listener import Listener
from tests.orchestrator.store.examples import WORKFLOW, create
from tests.parts.valkey import Cluster, wait_for

EVENTS = 40


def test_a_killed_master_loses_no_event_and_keeps_the_order(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/state.db")
    store.migrate()
    create(store, replace(WORKFLOW, id="wf-cluster"))
    cluster = Cluster.start()
    listener = Listener(types={EventType.AGENT_STARTED})
    bus = RedisBus(store, [listener], Stream(cluster.url, timeout_s=1), claim_seconds=3)
    stop = threading.Event()
    thread = threading.Thread(target=bus.run, args=(stop,))
    thread.start()
    try:
        for number in range(EVENTS):
            store.write(
                lambda tx, number=number: tx.add_event(  # type: ignore[misc]  # mypy does not infer a default's type
                    EventType.AGENT_STARTED, workflow_id="wf-cluster", context={"number": number}
                )
            )
            if number == EVENTS // 2:
                wait_for(lambda: listener.heard, "a first event")
                cluster.master_of("{orchestrator}:events:seen").kill()
        wait_for(lambda: not store.read(lambda r: r.pending_event_count()), "every event", deadline_s=90)
    finally:
        stop.set()
        thread.join()
        cluster.remove()

    heard = list(dict.fromkeys(event.context["number"] for event in listener.heard))
    assert heard == list(range(EVENTS))
    store.close()
