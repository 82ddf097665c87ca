"""What performing a Work yields, as it becomes true."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from orchestrator.domain.checkpoints import Checkpoint
from orchestrator.domain.checks import CheckResult


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCommits:
    """Where the Gits stood when the Workflow took them over: Git's name -> full hash."""

    commits: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """A Report that is durable: its file, its row and its snapshot.

    Attributes:
        body: the markdown without front matter.
        missing: headings of the outline that the agent did not write, also when asked again.
        duration_ms: of the Task's queries.
        cost_usd: as the provider reports it; None where it does not.
    """

    workflow_id: str
    work: str
    task: str
    path: Path
    title: str
    body: str
    outline: tuple[str, ...]
    missing: tuple[str, ...]
    duration_ms: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None

    @property
    def digest(self) -> str:
        """The Report asset's data version: the same text, the same version."""
        return hashlib.sha256(self.body.encode(errors="replace")).hexdigest()


__all__ = ["BaseCommits", "CheckResult", "Checkpoint", "Fact", "WrittenReport"]

Fact = BaseCommits | WrittenReport | CheckResult | Checkpoint
