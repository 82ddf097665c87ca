"""Checkpoints: one commit per Git, made when a Work completes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where every Git of a Workflow stood when a Work completed.

    Attributes:
        sequence: the Work's place (from 1) when the Checkpoint was made; another place now makes it invalid.
        commits: Git's name in the spec -> full commit hash, every Git of the Workflow.
        invalidated_at: None while it is valid.
    """

    id: str
    workflow_id: str
    work_id: str
    work: str
    sequence: int
    commits: Mapping[str, str]
    created_at: datetime
    invalidated_at: datetime | None = None


def commits_digest(commits: Mapping[str, str]) -> str:
    """One value for a set of commits, whatever their order: the data version of a Checkpoint asset."""
    lines = "".join(f"{git} {commits[git]}\n" for git in sorted(commits))
    return hashlib.sha256(lines.encode()).hexdigest()


def trailers(*, workflow_id: str, work_id: str, checkpoint_id: str, sequence: int) -> dict[str, str]:
    """The trailers of a Checkpoint commit, in the order they are written."""
    return {
        "Workflow-Id": workflow_id,
        "Work-Id": work_id,
        "Checkpoint-Id": checkpoint_id,
        "Work-Sequence": str(sequence),
    }
