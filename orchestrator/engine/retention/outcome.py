"""What one pass did, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one pass did, filled in step by step; with `dry_run`, what it would do.

    Attributes:
        freed_bytes: of WorkTrees, Reports and archives together.
        reports_archived, reports_deleted: Workflows whose Reports went.
        orphans_removed: Workflows without a row of which something had been left.
        rescues_dropped: Workflows whose rescue refs had had their time.
        problems: one sentence each; what they are about was left as it was.
        skipped: why nothing expired in this pass; None: it did.
    """

    dry_run: bool = False
    worktrees_removed: int = 0
    reports_archived: int = 0
    reports_deleted: int = 0
    checkpoints_deleted: int = 0
    orphans_removed: int = 0
    rescues_dropped: int = 0
    freed_bytes: int = 0
    duration_ms: int = 0
    skipped: str | None = None
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def numbers(self) -> dict[str, int]:
        """What can be plotted over time."""
        return {name: value for name, value in self.to_json().items() if type(value) is int}
