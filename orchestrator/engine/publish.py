"""`publish:` once a Workflow is COMPLETED: its branch of each Git is pushed, and a pull request opened from it.

A handler of WorkflowCompleted rather than a step of the Workflow: a remote that refuses never makes a completed
Workflow a failed one. What fails is tried again as any event is, then is a dead letter for `orchestrator events retry`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from orchestrator.domain.errors import GitError, NotFound, OrchestratorError, PublishFailed
from orchestrator.domain.events import Event, EventType
from orchestrator.domain.reports import body_of
from orchestrator.engine.engine import git_settings
from orchestrator.engine.plan import load_plan
from orchestrator.engine.pull_request import NewPullRequest, open_pull_request
from orchestrator.engine.run import commits_before
from orchestrator.git import GitSettings, Mirror
from orchestrator.observe.log import get_logger, mask_text
from orchestrator.settings import Settings
from orchestrator.spec import template
from orchestrator.spec.giturl import problem_with_ref
from orchestrator.spec.load import parse_document
from orchestrator.spec.model import PublishSpec
from orchestrator.spec.resolve import Plan
from orchestrator.spec.variables import substitute
from orchestrator.store import Reader, Store
from orchestrator.store.firing_rows import PublicationRow
from orchestrator.store.rows import WorkflowRow, WorkTreeRow

_log = get_logger(__name__)
_AFTER_ALL = 1_000_000


class PublishHandler:
    """Publishes completed Workflows. Again and again it does the same: a branch that is there, and a pull request that
    is open, are left as they are."""

    name = "publish"
    types = frozenset({EventType.WORKFLOW_COMPLETED})

    def __init__(self, settings: Settings, store: Store) -> None:
        self._git: GitSettings = git_settings(settings)
        self._store = store

    def handle(self, event: Event) -> None:
        try:
            workflow, plan = load_plan(self._store, event.workflow_id or "")
        except NotFound:
            return  # deleted meanwhile
        document = self._store.read(lambda reader: reader.spec_document(workflow.spec_digest))
        publish = parse_document(document).publish
        if publish is None or not publish.push:
            return
        rows = [self._publish(publish, workflow, plan, tree) for tree in self._trees(publish, workflow)]
        done = [row.git for row in rows if row.error is None]
        failed = [f"{row.git}: {row.error}" for row in rows if row.error is not None]
        if failed:
            said = "; ".join(failed)
            raise PublishFailed(f"workflow {workflow.id}: published {', '.join(done) or 'nothing'}; not {said}")

    def _trees(self, publish: PublishSpec, workflow: WorkflowRow) -> list[WorkTreeRow]:
        trees = self._store.read(lambda reader: reader.worktrees(workflow.id))
        return [tree for tree in trees if publish.gits is None or tree.git in publish.gits]

    def _publish(self, publish: PublishSpec, workflow: WorkflowRow, plan: Plan, tree: WorkTreeRow) -> PublicationRow:
        commit = self._store.read(lambda reader: commits_before(reader, workflow.id, _AFTER_ALL))[tree.git]
        url = next(git.url for git in plan.gits if git.name == tree.git)
        row = PublicationRow(
            workflow_id=workflow.id,
            git=tree.git,
            branch="",
            commit=commit,
            published=False,
            pull_request=None,
            error=None,
            updated_at=workflow.updated_at,
        )
        # A Git in which nothing changed has nothing to publish.
        if commit != tree.base_commit:
            try:
                row = replace(row, branch=_filled(publish.branch, workflow, what="branch"))
                if problem := problem_with_ref(row.branch):
                    raise PublishFailed(f"branch {row.branch!r} {problem}")
                secret_url = substitute(url, os.environ)
                Mirror.open(secret_url, self._git).push(commit=commit, branch=row.branch)
                row = replace(row, published=True)
                if publish.pull_request is not None:
                    new = self._pull_request(publish, workflow, tree, row.branch)
                    row = replace(row, pull_request=open_pull_request(secret_url, new))
            except (GitError, OrchestratorError, OSError) as error:
                row = replace(row, error=mask_text(str(error)))
            _log.info(
                "WorkflowPublished" if row.error is None else "WorkflowNotPublished",
                message=f"{tree.git}: {row.branch} at {commit[:12]}" if row.error is None else row.error,
                git=tree.git,
                branch=row.branch,
            )
        self._store.write(lambda tx: tx.put_publication(replace(row, updated_at=tx.now)))
        return row

    def _pull_request(
        self, publish: PublishSpec, workflow: WorkflowRow, tree: WorkTreeRow, branch: str
    ) -> NewPullRequest:
        wanted = publish.pull_request
        title = wanted.title if wanted and wanted.title else f"{workflow.workflow} ({workflow.id})"
        body = self._store.read(lambda reader: _reports(reader, workflow.id))
        return NewPullRequest(
            title=_filled(title, workflow, what="title")[:250],
            body=mask_text(body) if wanted is None or wanted.body == "report" else "",
            branch=branch,
            base=(wanted.base if wanted else None) or tree.ref,
            draft=wanted is None or wanted.draft,
        )


def _filled(text: str, workflow: WorkflowRow, *, what: str) -> str:
    """With `{{ workflow_id }}` and inputs filled in."""
    try:
        return template.render(text.replace("{{ workflow_id }}", workflow.id), workflow.inputs)
    except ValueError as error:
        raise PublishFailed(f"{what}: {error}") from error


# GitHub takes 65,536 characters.
_BODY_MAX = 60_000


def _reports(reader: Reader, workflow_id: str) -> str:
    bodies = [
        body_of(Path(report.path).read_text(encoding="utf-8", errors="replace"))
        for report in reader.reports(workflow_id)
        if not report.stale and Path(report.path).exists()
    ]
    text = "\n\n".join(bodies)
    return text if len(text) <= _BODY_MAX else text[:_BODY_MAX] + "\n\n*(cut)*"
