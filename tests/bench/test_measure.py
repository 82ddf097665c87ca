"""How figures are judged and printed."""

from __future__ import annotations

import time

import pytest

from bench.measure import Cost, Figure, figure_of_costs, interleaved, timed


def figure(*, ours: tuple[float, ...], baseline: tuple[float, ...] = (), at_most: float = 1.25) -> Figure:
    return Figure(name="some", what="this against that", unit="ms", at_most=at_most, ours=ours, baseline=baseline)


def test_the_value_is_the_median_of_the_pairs_ratios() -> None:
    # The ratio of the medians would be 4: one pair that ran on a busy machine must not decide.
    assert figure(ours=(10, 40, 90), baseline=(10, 10, 60)).value == 1.5


def test_without_another_side_the_value_is_the_median() -> None:
    assert figure(ours=(3, 1, 2)).value == 2


@pytest.mark.parametrize(("ours", "verdict"), [(125, "met"), (125.4, "met"), (126, "not met")])
def test_the_verdict_is_on_the_value_as_printed(ours: float, verdict: str) -> None:
    line = figure(ours=(ours,), baseline=(100,)).line()
    assert line.split("(")[0].split("at most 1.25 x")[1].strip() == verdict


def test_both_sides_go_first_by_turns() -> None:
    order: list[str] = []

    def side(name: str) -> str:
        order.append(name)
        return name

    pairs = interleaved(lambda: side("ours"), lambda: side("baseline"), pairs=2)
    assert pairs == [("ours", "baseline")] * 2
    assert order == ["ours", "baseline", "baseline", "ours"]


def test_a_call_costs_wall_time_that_is_not_cpu_time() -> None:
    cost = timed(lambda: time.sleep(0.2))
    assert cost.wall_ms >= 200
    assert cost.cpu_ms < 100


def test_the_ratio_of_cpu_time_is_printed_beside() -> None:
    pairs = [(Cost(wall_ms=12, cpu_ms=6), Cost(wall_ms=10, cpu_ms=4))]
    made = figure_of_costs(pairs, name="some", what="this against that", at_most=1.25)
    assert made.met
    assert "CPU 1.50 x" in made.line()
