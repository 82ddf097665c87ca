"""A sweep in a process of its own: tries are forked, and only a process with one thread can be forked safely."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.sweep.checker import Kind, Problem
from tests.sweep.tries import Try

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep found."""

    tries: tuple[Try, ...]

    @property
    def deaths(self) -> int:
        return sum(len(made.names) for made in self.tries)

    @property
    def failed(self) -> list[Try]:
        """The tries in which anything was wrong."""
        return [made for made in self.tries if made.problems]

    @property
    def reruns_per_death(self) -> float:
        """The highest of any try."""
        return max((made.queries_again / len(made.names) for made in self.tries if made.names), default=0.0)

    def count(self, *kinds: Kind) -> int:
        """How many promises of these kinds were broken; of any kind when none is named."""
        found = Counter(problem.kind for made in self.tries for problem in made.problems)
        return sum(found[kind] for kind in kinds or Kind)


def sweep(*arguments: str) -> Swept:
    """Run `python -m tests.sweep` with the arguments and read what it printed."""
    command = [sys.executable, "-m", "tests.sweep", *arguments]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {ended.returncode}: {ended.stderr[-3000:]}")
    return Swept(tries=tuple(_read(line) for line in ended.stdout.splitlines()))


def sweep_all(commands: Iterable[Sequence[str]], *, at_once: int) -> Swept:
    """Several, side by side, as one."""
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        swept = list(pool.map(lambda arguments: sweep(*arguments), commands))
    return Swept(tries=tuple(made for each in swept for made in each.tries))


def boundaries() -> list[str]:
    """The names of all boundaries, in order."""
    command = [sys.executable, "-m", "tests.sweep", "--list"]
    listed = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    return [line.split(maxsplit=1)[1] for line in listed.splitlines()]


def _read(line: str) -> Try:
    said = json.loads(line)
    problems = [Problem(kind=Kind(problem["kind"]), text=problem["text"]) for problem in said.pop("problems")]
    return Try(
        faults=tuple(said["faults"]),
        names=tuple(said["names"]),
        problems=tuple(problems),
        gone_ms=said["gone_ms"],
        queries_again=said["queries_again"],
    )
