"""What is lost when a worker dies, at every boundary: `python -m bench.sweep`; some minutes.

Ours on SQLite at every boundary, with random pairs of deaths, and on PostgreSQL at some of them; beside it the control:
the same engine with the flaws that one would write at first (`tests/sweep/naive.py`), which must be caught.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.parts.postgres import Postgres
from tests.sweep.checker import Kind
from tests.sweep.sweeping import Swept, sweep, sweep_all

_AT_MOST_RERUNS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeps:
    """What was swept, by where."""

    each: Swept
    pairs: Swept
    postgresql: Swept
    control: Swept

    @property
    def ours(self) -> Swept:
        """All of ours as one."""
        return Swept(tries=self.each.tries + self.pairs.tries + self.postgresql.tries)

    def lines(self) -> Iterator[str]:
        """What was done, then a line for each figure: ours, its limit, whether it is met, the control's."""
        boundaries = {fault for made in self.each.tries if made.names for fault in made.faults}
        yield (
            f"kills     {self.ours.deaths}: {len(boundaries)} at one boundary each, {self.pairs.deaths} in "
            f"{len(self.pairs.tries)} tries with random pairs, {self.postgresql.deaths} on PostgreSQL; "
            f"control {self.control.deaths}"
        )
        for kind in Kind:
            yield _line(str(kind), self.ours.count(kind), 0, self.control.count(kind))
        yield _line("re-runs/kill", self.ours.reruns_per_death, _AT_MOST_RERUNS, self.control.reruns_per_death)
        slowest_ms = max(made.gone_ms for made in self.ours.tries)
        yield f"all processes of a Workflow were gone {slowest_ms / 1000:.1f} s after its last worker, at the slowest"
        yield f"tries with a problem: ours {len(self.ours.failed)}, control {len(self.control.failed)}"


def measure(*, step: int = 1, seeds: int = 3, tries: int = 10) -> Sweeps:
    """Sweep every `step`-th boundary, and `seeds` times `tries` random pairs."""
    at_once = os.cpu_count() or 1
    slices = [("--first", str(first * step + 1), "--step", str(step * at_once)) for first in range(at_once)]
    random = [("--seed", str(seed), "--tries", str(tries)) for seed in range(1, seeds + 1)]
    each = _told("every boundary", sweep_all(slices, at_once=at_once))
    pairs = _told("random pairs", sweep_all(random, at_once=at_once))
    with _database() as database:
        postgresql = _told("PostgreSQL", sweep("--first", "2", "--step", str(7 * step), "--database", database))
    return Sweeps(each=each, pairs=pairs, postgresql=postgresql, control=_told("control", sweep("--naive")))


def _told(what: str, swept: Swept) -> Swept:
    """Say how far it is: the whole takes minutes."""
    sys.stderr.write(f"{what}: {swept.deaths} kills, {len(swept.failed)} tries with a problem\n")
    return swept


@contextmanager
def _database() -> Iterator[str]:
    server = Postgres.start()
    try:
        yield server.create_database()
    finally:
        server.remove()


def _line(name: str, ours: float, at_most: float, control: float) -> str:
    verdict = "met" if ours <= at_most else "not met"
    return f"{name:<17} {ours:6.4g}  at most {at_most:g}  {verdict:<7}  control {control:.4g}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__)
    parser.add_argument("--step", type=int, default=1, help="every how many-th boundary")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tries", type=int, default=10, help="random pairs of each seed")
    given = parser.parse_args(arguments)
    for line in measure(step=given.step, seeds=given.seeds, tries=given.tries).lines():
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
