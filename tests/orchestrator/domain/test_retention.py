"""What is kept how long, and what a clock that leaps changes about it: nothing goes early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.domain.retention import Clock, DiskLevel, Leap, Policy, Reading, disk_level, leap_between
from orchestrator.domain.states import WorkflowStatus

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLICY = Policy(
    worktrees=timedelta(hours=24),
    failed_worktrees=timedelta(hours=168),
    archive_reports=timedelta(days=7),
    delete_reports=timedelta(days=30),
    checkpoints=timedelta(days=7),
    rescues=timedelta(days=30),
    orphans=timedelta(hours=24),
)


def test_the_settings_decide_by_the_end_and_a_spec_goes_before_them() -> None:
    assert POLICY.of_worktrees(WorkflowStatus.COMPLETED, None) == timedelta(hours=24)
    assert POLICY.of_worktrees(WorkflowStatus.CANCELLED, None) == timedelta(hours=24)
    assert POLICY.of_worktrees(WorkflowStatus.FAILED, None) == timedelta(hours=168)
    assert POLICY.of_worktrees(WorkflowStatus.FAILED, 60) == timedelta(seconds=60)
    assert POLICY.of_reports(None) == (timedelta(days=7), timedelta(days=30))
    assert POLICY.of_reports(90 * 86400) == (timedelta(days=7), timedelta(days=90))
    assert POLICY.of_reports(86400) == (timedelta(days=1), timedelta(days=1)), "never archived after they are deleted"
    assert POLICY.of_checkpoints(86400) == timedelta(days=1)


def test_it_is_over_at_the_moment_and_not_before() -> None:
    clock = Clock(now=NOON)
    assert clock.is_over(NOON - timedelta(hours=24), timedelta(hours=24))
    assert not clock.is_over(NOON - timedelta(hours=24) + timedelta(milliseconds=1), timedelta(hours=24))


@pytest.mark.parametrize("hours", [48, -48])
def test_a_leap_is_the_difference_to_what_the_monotonic_clock_says(hours: int) -> None:
    before = Reading(database=NOON, boot="a", monotonic_s=100)
    after = Reading(database=NOON + timedelta(hours=1 + hours), boot="a", monotonic_s=3700)
    leap = leap_between(before, after)
    assert leap is not None
    assert leap.by_s == pytest.approx(hours * 3600)


def test_a_little_drift_and_another_boot_are_no_leap() -> None:
    before = Reading(database=NOON, boot="a", monotonic_s=100)
    assert leap_between(before, Reading(database=NOON + timedelta(seconds=3630), boot="a", monotonic_s=3700)) is None
    assert leap_between(before, Reading(database=NOON + timedelta(days=3), boot="b", monotonic_s=5)) is None


@example(steps=[(0, -48), (0, -5), (0, 48)], born=1)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 72), st.sampled_from([0, 0, 0, 48, -48, 5, -5, 500])), min_size=1, max_size=12
    ),
    born=st.integers(0, 11),
)
def test_whatever_the_clock_does_nothing_is_older_than_it_really_is(steps: list[tuple[int, int]], born: int) -> None:
    """Hours pass, then the clock leaps; a reading after each. Something is written at one of the readings."""
    real, shift = NOON, timedelta()
    leaps: list[Leap] = []
    reading = Reading(database=real, boot="a", monotonic_s=0)
    written: tuple[datetime, datetime] | None = None
    for number, (hours, leap) in enumerate(steps):
        real += timedelta(hours=hours)
        shift += timedelta(hours=leap)
        after = Reading(database=real + shift, boot="a", monotonic_s=(real - NOON).total_seconds())
        if seen := leap_between(reading, after):
            leaps.append(seen)
        reading = after
        if written is not None:
            assert Clock(now=reading.database, leaps=leaps).age(written[1]) <= real - written[0]
        if number == born % len(steps):
            written = real, reading.database


def test_the_root_with_the_least_room_decides() -> None:
    def level(**free: int) -> DiskLevel:
        return disk_level(free, warning_bytes=20, critical_bytes=5)

    assert level(a=100, b=20) is DiskLevel.OK
    assert level(a=100, b=19) is DiskLevel.WARNING
    assert level(a=5, b=19) is DiskLevel.WARNING
    assert level(a=4, b=100) is DiskLevel.CRITICAL
    assert level() is DiskLevel.OK
