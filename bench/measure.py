"""How a figure is measured and printed: pairs in turn, their medians, the ratio against its limit."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one try of one side took.

    Attributes:
        cpu_ms: user and system time of it and of the processes it waited for. Beside wall time because others may be
            using the machine's cores.
    """

    wall_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One published figure.

    Attributes:
        what: ours, and what it is held against, in words.
        unit: of `ours` and `baseline`.
        at_most: the limit of `value`.
        ours: one number a try.
        baseline: the number of the other side in the same pair; empty where the limit is on `ours` itself.
        cpu_ratio: of CPU time, for a figure of wall time; it decides nothing.
    """

    name: str
    what: str
    unit: str
    at_most: float
    ours: tuple[float, ...]
    baseline: tuple[float, ...] = ()
    cpu_ratio: float | None = None

    @property
    def value(self) -> float:
        """The median of the pairs' ratios; of our numbers where there is no other side."""
        if not self.baseline:
            return median(self.ours)
        return median(ours / baseline for ours, baseline in zip(self.ours, self.baseline, strict=True))

    @property
    def met(self) -> bool:
        """Whether the value, as printed, keeps to its limit."""
        return round(self.value, 2) <= self.at_most

    def line(self) -> str:
        """`overhead  1.12 x  at most 1.25 x  met  (ours 640 ms, baseline 570 ms, CPU 1.10 x, 7 pairs): …`."""
        unit = "x" if self.baseline else self.unit
        sides = [f"ours {median(self.ours):.1f} {self.unit}"]
        if self.baseline:
            sides.append(f"baseline {median(self.baseline):.1f} {self.unit}")
        if self.cpu_ratio is not None:
            sides.append(f"CPU {self.cpu_ratio:.2f} x")
        sides.append(f"{len(self.ours)} {'pairs' if self.baseline else 'tries'}")
        verdict = "met" if self.met else "not met"
        return (
            f"{self.name:<9} {self.value:6.2f} {unit:<2}  at most {self.at_most:g} {unit:<2}  {verdict:<7}  "
            f"({', '.join(sides)}): {self.what}"
        )


def figure_of_costs(
    pairs: Sequence[tuple[Cost, Cost]], *, name: str, what: str, at_most: float, cpu: bool = True
) -> Figure:
    """The figure of wall time over `(ours, baseline)` pairs."""
    return Figure(
        name=name,
        what=what,
        unit="ms",
        at_most=at_most,
        ours=tuple(ours.wall_ms for ours, _ in pairs),
        baseline=tuple(baseline.wall_ms for _, baseline in pairs),
        cpu_ratio=median(ours.cpu_ms / baseline.cpu_ms for ours, baseline in pairs) if cpu else None,
    )


def interleaved(ours: Callable[[], T], baseline: Callable[[], T], *, pairs: int) -> list[tuple[T, T]]:
    """Try both sides `pairs` times, the first of a pair by turns, so that a drift of the machine's speed hits both."""
    results = []
    for number in range(pairs):
        if number % 2 == 0:
            first = ours()
            results.append((first, baseline()))
        else:
            second = baseline()
            results.append((ours(), second))
    return results


def timed(call: Callable[[], object]) -> Cost:
    """Wall and CPU time of a call, with the processes that it starts and waits for."""
    cpu, began = _cpu_s(), time.perf_counter()
    call()
    wall = time.perf_counter() - began
    return Cost(wall_ms=wall * 1000, cpu_ms=(_cpu_s() - cpu) * 1000)


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def main(measure: Callable[..., Figure]) -> None:
    """Measure one figure and print its line; the exit code says only that it could be measured."""
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("--tries", type=int, help="how many pairs, or tries where there is no other side")
    tries = parser.parse_args().tries
    sys.stdout.write(f"{(measure() if tries is None else measure(tries=tries)).line()}\n")
