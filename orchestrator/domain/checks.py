"""Checks: commands of a spec that a Work has to pass before its Checkpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One run of one of the Work's `checks:`.

    Attributes:
        exit_code: the command's own; None when it passed its time-out.
        output: what it printed last, masked and capped.
    """

    name: str
    passed: bool
    blocking: bool
    exit_code: int | None
    output: str
    duration_ms: int
