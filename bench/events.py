"""The bus under load, and what a webhook costs: `python -m bench.events [in-memory|redis|kill|webhooks|outbox]`."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles

import uvicorn
from starlette.applications import Starlette

from bench import load
from bench.measure import Figure
from orchestrator.domain.events import Event, EventType
from orchestrator.engine.specs import Specs
from orchestrator.events import Bus, Relay
from orchestrator.events.redis_bus import RedisBus
from orchestrator.events.stream import Stream
from orchestrator.ops.processes import free_port
from orchestrator.ops.webhooks import Webhooks
from orchestrator.settings import load_settings
from orchestrator.store import Store, Transaction, open_store
from tests.parts.valkey import Valkey

PER_SECOND = 1000
# Of one transaction of the writer: as a burst of what runs at once.
BURST = 10


class _Noting:
    """Notes when each event was handled, and how often."""

    name = "bench"
    types = frozenset(EventType)

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.again = 0

    def handle(self, event: Event) -> None:
        self.again += event.id in self.at
        self.at.setdefault(event.id, time.monotonic())


def latency(bus_type: str, *, seconds: int = 60) -> Figure:
    """Publish to handled at 1,000 events a second; the number is the 95th percentile."""
    handler = _Noting()
    with tempfile.TemporaryDirectory() as name:
        store = _store(name)
        server = Valkey.start() if bus_type == "redis" else None
        stop = threading.Event()
        thread = threading.Thread(target=_bus(store, handler, server).run, args=(stop,))
        thread.start()
        wrote = _write(store, seconds)
        _drained(store)
        stop.set()
        thread.join()
        store.close()
        if server is not None:
            server.remove()
    delays = [(handler.at[id] - moment) * 1000 for id, moment in wrote.items() if id in handler.at]
    lost = len(wrote) - len(delays)
    rate = len(wrote) / (max(wrote.values()) - min(wrote.values()))
    counted = f"{len(wrote)} events, lost {lost}, {handler.again} again"
    what = f"p95 from written to handled at {rate:.0f} events/s, p50 {median(delays):.0f} ms, {counted}"
    return Figure(name=bus_type, what=what, unit="ms", at_most=100, ours=(_p(delays, 95),))


def kills(*, times: int = 20, seconds: int = 60) -> Figure:
    """Redis and the bus end at random while 1,000 events a second come; the number is what was lost or doubled."""
    draw = random.Random(7)  # noqa: S311 — when to kill is no secret
    effects: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        store = _store(name)
        server = Valkey.start()

        class Effect(_Noting):
            def handle(self, event: Event) -> None:
                def write(tx: Transaction) -> bool:
                    return tx.handle_once(self.name, event.id)

                if store.write(write):
                    effects[event.id] = effects.get(event.id, 0) + 1

        def started() -> tuple[threading.Event, threading.Thread]:
            stop = threading.Event()
            thread = threading.Thread(target=_bus(store, Effect(), server).run, args=(stop,))
            thread.start()
            return stop, thread

        running = started()
        wrote: dict[str, float] = {}
        writer = threading.Thread(target=lambda: wrote.update(_write(store, seconds, per_second=200)))
        writer.start()
        for _ in range(times):
            time.sleep(draw.uniform(0.5, 1.5) * seconds / times)
            if draw.random() < 0.5:
                server.kill()
                time.sleep(draw.uniform(0, 0.5))
                server.launch()
            else:
                running[0].set()
                running[1].join()
                running = started()
        writer.join()
        _drained(store)
        running[0].set()
        running[1].join()
        store.close()
        server.remove()
    wrong = len(wrote.keys() - effects.keys()) + sum(count - 1 for count in effects.values())
    what = f"events lost or doubled in effect of {len(wrote)}, with Redis killed or the bus stopped {times} times"
    return Figure(name="kill", what=what, unit="", at_most=0, ours=(float(wrong),))


def webhooks(*, seconds: int = 10, per_second: int = 1000) -> Figure:
    """Webhooks stored and answered by one process; the number is the 99th percentile at what was reached."""
    with tempfile.TemporaryDirectory() as name:
        settings = load_settings({"ORCHESTRATOR_HOME": name, "WEBHOOK_SECRET_CI": load.SECRET})
        store = _store(name)
        receiver = Webhooks(settings, store, Specs([]), fired=lambda: None)
        port = free_port()
        config = uvicorn.Config(Starlette(routes=[receiver.route]), port=port, log_level="error", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        sender = [sys.executable, "-m", "bench.load", str(port), str(seconds), str(per_second)]
        sent = json.loads(subprocess.run(sender, capture_output=True, check=True).stdout)
        server.should_exit = True
        thread.join()
        store.close()
    took = [milliseconds for milliseconds, _ in sent["took"]]
    refused = sum(status != 202 for _, status in sent["took"])
    rate = len(took) / sent["seconds"]
    what = f"p99 of {len(took)} webhooks at {rate:.0f}/s, p50 {median(took):.0f} ms, {refused} refused"
    return Figure(name="webhooks", what=what, unit="ms", at_most=100, ours=(_p(took, 99),))


def outbox(*, tries: int = 300) -> Figure:
    """What an event adds to the transaction that it rides on; the number is the median of the differences."""
    with tempfile.TemporaryDirectory() as name:
        store = _store(name)
        store.write(lambda tx: tx.put_spec(digest="d", workflow="w", document="{}"))

        def timed(events: int) -> float:
            began = time.perf_counter()

            def write(tx: Transaction) -> None:
                tx.put_spec(digest=str(began), workflow="w", document="{}")
                for _ in range(events):
                    tx.add_event(EventType.DISK_SPACE_LOW, correlation_id="bench")

            store.write(write)
            return (time.perf_counter() - began) * 1000

        added = [timed(1) - timed(0) for _ in range(tries)]
        store.close()
    return Figure(name="outbox", what="an event on top of its transaction", unit="ms", at_most=1, ours=tuple(added))


def _store(folder: str) -> Store:
    store = open_store(f"sqlite:///{Path(folder)}/orchestrator.db")
    store.migrate()
    return store


def _bus(store: Store, handler: _Noting, server: Valkey | None) -> Bus:
    if server is None:
        return Relay(store, [handler])
    return RedisBus(store, [handler], Stream(server.url, timeout_s=1), claim_seconds=5)


def _write(store: Store, seconds: int, *, per_second: int = PER_SECOND) -> dict[str, float]:
    """Events at that rate, and when the transaction of each was committed."""
    wrote: dict[str, float] = {}
    began = time.monotonic()
    for burst in range(seconds * per_second // BURST):
        time.sleep(max(0.0, began + burst * BURST / per_second - time.monotonic()))
        events = store.write(
            lambda tx: [
                tx.add_event(EventType.DISK_SPACE_LOW, correlation_id="bench", context={"n": n}) for n in range(BURST)
            ]
        )
        moment = time.monotonic()
        wrote.update((event.id, moment) for event in events)
    return wrote


def _drained(store: Store) -> None:
    deadline = time.monotonic() + 120
    while store.read(lambda reader: reader.pending_event_count()) and time.monotonic() < deadline:
        time.sleep(0.1)


def _p(numbers: Sequence[float], percent: int) -> float:
    return quantiles(numbers, n=100)[percent - 1]


FIGURES: Mapping[str, Callable[[], Figure]] = {
    "in-memory": lambda: latency("in-memory"),
    "redis": lambda: latency("redis"),
    "kill": kills,
    "webhooks": webhooks,
    "outbox": outbox,
}


def main() -> None:
    """Print the figures that are named, or all."""
    for name in sys.argv[1:] or FIGURES:
        with suppress(KeyboardInterrupt):
            sys.stdout.write(f"{FIGURES[name]().line()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
