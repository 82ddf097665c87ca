"""Firings: that a trigger of a workflow has come true, once, and what became of it."""

from __future__ import annotations

from enum import StrEnum


class FiringStatus(StrEnum):
    """What became of a firing. All but WAITING are final."""

    WAITING = "WAITING"
    LAUNCHED = "LAUNCHED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"


class Overlap(StrEnum):
    """What happens to a firing while a Workflow of the same spec is CREATED, READY or RUNNING."""

    QUEUE = "queue"
    SKIP = "skip"
    CANCEL_RUNNING = "cancel_running"
