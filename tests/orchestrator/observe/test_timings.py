"""Timings are gathered in a process and stored soon, and are never the reason why something fails."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

from orchestrator.domain.measures import Measure
from orchestrator.observe.timings import Timings


class Sink:
    """Keeps what is stored; fails while it is told to."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], float] = {}
        self.broken = False
        self.writes = 0

    def __call__(self, measures: Sequence[Measure]) -> None:
        self.writes += 1
        if self.broken:
            raise OSError("no database")
        for one in measures:
            key = (one.labels, one.cell)
            self.cells[key] = self.cells.get(key, 0) + one.by


def test_they_are_stored_by_themselves_within_seconds() -> None:
    sink, timings = Sink(), Timings(flush_s=0.05)
    timings.attach(sink)
    for ms in (0.2, 3.0, 3.5):
        timings.query("commit", ms)

    deadline = time.monotonic() + 30
    while not sink.cells:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert sink.cells == {('["commit"]', "0.25"): 1, ('["commit"]', "5"): 2, ('["commit"]', "sum"): 6.7}


def test_what_could_not_be_stored_is_stored_the_next_time_once() -> None:
    sink, timings = Sink(), Timings(flush_s=3600)
    timings.attach(sink)
    sink.broken = True
    timings.query("commit", 1.0)
    timings.flush()
    timings.query("commit", 1.0)
    sink.broken = False
    timings.flush()
    timings.flush()

    assert sink.cells == {('["commit"]', "1"): 2, ('["commit"]', "sum"): 2.0}
    assert sink.writes == 2, "nothing to store, nothing written"


def test_storing_is_not_timed_itself() -> None:
    timings = Timings(flush_s=3600)
    sink = Sink()

    def write(measures: Sequence[Measure]) -> None:
        timings.query("insert", 1.0)
        sink(measures)

    timings.attach(write)
    timings.query("commit", 1.0)
    timings.flush()
    timings.flush()

    assert {labels for labels, _ in sink.cells} == {'["commit"]'}


def test_a_store_that_closes_gets_the_last_ones_and_no_more() -> None:
    first, second, timings = Sink(), Sink(), Timings(flush_s=3600)
    timings.attach(first)
    timings.query("commit", 1.0)
    timings.detach(second)
    assert not first.cells, "another one's close says nothing"
    timings.detach(first)
    timings.query("commit", 1.0)
    timings.flush()

    assert first.cells[('["commit"]', "1")] == 1


def test_a_fork_starts_with_none_of_its_parents() -> None:
    sink, timings = Sink(), Timings(flush_s=3600)
    timings.attach(sink)
    timings.query("commit", 1.0)
    child = os.fork()
    if child == 0:
        timings.flush()
        os._exit(0 if sink.writes == 0 else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_many_threads_lose_none() -> None:
    sink, timings = Sink(), Timings(flush_s=3600)
    timings.attach(sink)

    def measure() -> None:
        for _ in range(1000):
            timings.query("commit", 1.0)

    threads = [threading.Thread(target=measure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    timings.flush()

    assert sink.cells[('["commit"]', "1")] == 4000
