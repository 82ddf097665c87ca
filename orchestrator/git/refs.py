"""The names of the refs that a Workflow has in a mirror.

All of them lie outside what a fetch writes. The Git's name in the spec is part of each, since one spec may name the
same repository twice (at two refs), and both then live in one mirror.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.errors import GitError
from orchestrator.domain.ids import SAFE_ID, git_id
from orchestrator.git.urls import parse_url

BRANCHES = "orchestrator/"
"""Prefix of the branches of all Workflows, below refs/heads/."""

NONE = "0" * 40
"""In a ref transaction: the ref does not exist."""


def branch_names(workflow_id: str, urls: Mapping[str, str]) -> dict[str, str]:
    """The branch of each Git of a Workflow, by its name in the spec, in the spec's order.

    `orchestrator/<workflow id>`; where a later Git has the url of an earlier one, `orchestrator/<workflow id>-<name>`
    (not `…/<name>`: git cannot have a ref and a folder of refs under one name).
    """
    seen: set[str] = set()
    branches: dict[str, str] = {}
    for name, url in urls.items():
        repository = git_id(parse_url(url).url)
        branches[name] = f"{BRANCHES}{workflow_id}" + (f"-{name}" if repository in seen else "")
        seen.add(repository)
    return branches


@dataclass(frozen=True, slots=True, kw_only=True)
class RefNames:
    """Full ref names for one WorkTree; every part is a safe id."""

    workflow_id: str
    name: str
    branch: str

    @property
    def head(self) -> str:
        """The branch itself."""
        return f"refs/heads/{self.branch}"

    @property
    def base(self) -> str:
        """Where the branch began: kept, since a force-push upstream may take it from every other ref."""
        return f"{self._own}/base"

    @property
    def removed(self) -> str:
        """Where the branch ended when its WorkTree was removed, so that a roll back still finds its Checkpoints."""
        return f"{self._own}/removed"

    def task(self, work: str, task: str) -> str:
        """The snapshot after a Task."""
        return f"{self._own}/tasks/{_safe(work)}/{_safe(task)}"

    def agent(self, checkpoint_id: str) -> str:
        """What the agent committed itself before a Checkpoint."""
        return f"{self._own}/agent/{_safe(checkpoint_id)}"

    def rescue(self, ref_id: str) -> str:
        """Work that was in the tree when the tree had to change."""
        return f"{rescues_of(self.workflow_id)}{self.name}/{_safe(ref_id)}"

    @property
    def _own(self) -> str:
        return f"{hidden_of(self.workflow_id)}{self.name}"


def hidden_of(workflow_id: str) -> str:
    """Prefix of a Workflow's hidden refs."""
    return f"refs/orchestrator/{_safe(workflow_id)}/"


def rescues_of(workflow_id: str) -> str:
    """Prefix of a Workflow's rescue refs; they outlive it."""
    return f"refs/orchestrator/rescue/{_safe(workflow_id)}/"


def _safe(part: str) -> str:
    if not SAFE_ID.match(part) or ".." in part or part.endswith((".", ".lock")):
        raise GitError(f"{part[:100]!r} cannot be part of a ref's name", command="check")
    return part
