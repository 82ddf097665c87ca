"""Kill a worker at each boundary: `python -m tests.sweep`, a JSON line a try; `--list` prints the boundaries' names.

One process and one thread, from which the tries are forked. Several of these, with other slices, share the work.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from random import Random
from typing import get_args

from tests.sweep.tries import Try, World
from tests.sweep.worker import Action, Fault

# Only these can meet a full disk: the moments just before something is written.
_WRITES = ("store.", "refs.", "file.", "mirror.")
# Where the control's flaws show: behind a commit, behind a Task's row, behind an answer.
_FLAWED = ("refs.update refs/heads/", "store.QueryResponded", "agent.answer")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--list", action="store_true", help="print number and name of every boundary, and kill nothing")
    parser.add_argument("--first", type=int, default=1, help="the first boundary")
    parser.add_argument("--step", type=int, default=1, help="every how many-th from there on, until a worker survives")
    parser.add_argument("--seed", type=int, help="instead: random boundaries and faults, two in each try")
    parser.add_argument("--tries", type=int, default=10, help="how many with --seed")
    parser.add_argument("--naive", action="store_true", help="instead: the control, where its flaws show")
    parser.add_argument("--database", help="url of an empty PostgreSQL database; each try gets a copy")
    parser.add_argument("--keep", type=Path, help="an empty folder, in which everything stays")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sweep-", dir=memory()) as folder:
        world = World((given.keep or Path(folder)).resolve(), database=given.database, keep=given.keep is not None)
        if given.list:
            for number, name in enumerate(world.boundaries(), start=1):
                sys.stdout.write(f"{number:4} {name}\n")
            return
        if given.naive:
            tries = control(world, step=given.step)
        elif given.seed is not None:
            tries = random(world, seed=given.seed, tries=given.tries)
        else:
            tries = each(world, first=given.first, step=given.step)
        for made in tries:
            sys.stdout.write(f"{json.dumps(asdict(made))}\n")
            sys.stdout.flush()


def memory() -> str | None:
    """A folder in memory where there is one: to the death of a process a disk makes no difference but time."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def each(world: World, *, first: int, step: int) -> Iterator[Try]:
    """A death at every boundary, up to the try in which the worker was done before it; that one is the last."""
    for number in count(first, step):
        made = _one(world, number)
        yield made
        if not made.names:
            return


def _one(world: World, number: int) -> Try:
    # By turns at once, beside what the dead worker left running, and when all of that has ended.
    wait, settled = number // 2 % 2 == 0, number // 4 % 2 == 0
    return world.make_try(f"at-{number:04}", [Fault(boundary=number)], wait=wait, settled=settled)


def random(world: World, *, seed: int, tries: int) -> Iterator[Try]:
    """Deaths of all kinds, and one more while the Workflow is being taken up again."""
    names = world.boundaries()
    numbers = range(1, len(names) + 1)
    writes = [number for number in numbers if names[number - 1].endswith(".before") and _is(names[number - 1], _WRITES)]
    chance = Random(seed)  # noqa: S311 — a repeatable choice, no secret
    for number in range(tries):
        action: Action = chance.choice(get_args(Action))
        first = Fault(boundary=chance.choice(writes if action == "full" else numbers), action=action)
        second = Fault(boundary=chance.randint(1, 40), action=chance.choice(("kill", "power")))
        wait, settled = number % 2 == 0, number // 2 % 2 == 0
        yield world.make_try(f"seed-{seed}-{number}", [first, second], wait=wait, settled=settled)


def control(world: World, *, step: int) -> Iterator[Try]:
    """The naive engine, killed behind what it should have secured."""
    flawed = [number for number, name in enumerate(world.boundaries(naive=True), start=1) if _shows(name)]
    for number in flawed[::step]:
        yield world.make_try(f"naive-{number:04}", [Fault(boundary=number)], naive=True)
    yield world.make_try("naive-clean-try", [Fault(boundary=1_000_000)], naive=True)


def _is(name: str, starts: tuple[str, ...]) -> bool:
    return name.startswith(starts)


def _shows(name: str) -> bool:
    return name.endswith(".after") and _is(name, _FLAWED)


if __name__ == "__main__":
    main()
