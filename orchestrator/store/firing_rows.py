"""What the store takes and gives of events that failed, of triggers, and of what is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.domain.firing import FiringStatus, Overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterRow:
    """An event that a handler failed to handle, however often it was tried.

    Attributes:
        id: `dl-…`, derived from handler and event.
        error: what the last attempt raised, masked.
        retry_asked_at: when somebody asked for another round; None where nobody did since the last.
    """

    id: str
    handler: str
    event_id: str
    error: str
    attempts: int
    failed_at: datetime
    retry_asked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFiring:
    """A trigger has come true.

    Attributes:
        kind: `schedule`, `git_push`, `webhook` or `event`.
        key: of the cause: a delivery's id, an event's, a commit, a scheduled time. The same key fires once.
        inputs: of the launch; empty where they could not be filled in.
        reason: for a person: what happened, or why it cannot be launched.
        depth: how many firings led to this one by chains of events.
        failed: it can never be launched.
    """

    workflow: str
    trigger: str
    key: str
    kind: str
    overlap: Overlap
    inputs: Mapping[str, Any]
    reason: str
    depth: int = 1
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringRow:
    """A trigger that came true, and what became of it.

    Attributes:
        reason: what happened, or why it was skipped or failed.
        run_id: of the one run that it became.
        settled_at: when it became LAUNCHED, SKIPPED or FAILED.
    """

    id: str
    workflow: str
    trigger: str
    kind: str
    key: str
    status: FiringStatus
    overlap: Overlap
    inputs: Mapping[str, Any]
    reason: str
    depth: int
    run_id: str | None
    workflow_id: str | None
    fired_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationRow:
    """What became of publishing one Git of a Workflow.

    Attributes:
        commit: of the last Checkpoint.
        published: the branch stands at the commit in the Git's repository.
        pull_request: its address; None where none was asked for, or it could not be opened.
        error: why the branch or the pull request is not there, masked.
    """

    workflow_id: str
    git: str
    branch: str
    commit: str
    published: bool
    pull_request: str | None
    error: str | None
    updated_at: datetime
