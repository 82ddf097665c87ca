"""Boundaries are told to whoever armed the process, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.domain import failpoints
from orchestrator.domain.failpoints import reached


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm(None)


def test_an_armed_process_acts_at_each_boundary_in_order() -> None:
    seen: list[str] = []
    failpoints.arm(seen.append)
    reached("store.WorkStarted.before")
    reached("store.WorkStarted.after")
    assert seen == ["store.WorkStarted.before", "store.WorkStarted.after"]


def test_what_the_action_raises_reaches_the_code_at_the_boundary() -> None:
    def full(boundary: str) -> None:
        raise OSError(28, f"no space left at {boundary}")

    failpoints.arm(full)
    with pytest.raises(OSError, match=r"no space left at file\.look\.md\.before"):
        reached("file.look.md.before")


def test_a_disarmed_process_passes_every_boundary() -> None:
    seen: list[str] = []
    failpoints.arm(seen.append)
    failpoints.arm(None)
    reached("agent.start.after")
    assert seen == []
