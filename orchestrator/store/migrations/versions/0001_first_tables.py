"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from orchestrator.store.types import Money, Prose, UtcTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them all."""
    op.create_table(
        "events",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("correlation_id", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=True),
        sa.Column("workflow_id", sa.String(), nullable=True),
        sa.Column("work_id", sa.String(), nullable=True),
        sa.Column("task_id", sa.String(), nullable=True),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", UtcTime(), nullable=False),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_until", UtcTime(), nullable=True),
        sa.Column("published_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_events"),
        sa.UniqueConstraint("id", name="uq_events_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_events_pending",
        "events",
        ["position"],
        postgresql_where=sa.text("published_at IS NULL"),
        sqlite_where=sa.text("published_at IS NULL"),
    )
    op.create_index("ix_events_workflow_id_position", "events", ["workflow_id", "position"])
    op.create_table(
        "gits",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gits"),
        sa.UniqueConstraint("url", name="uq_gits_url"),
    )
    op.create_table(
        "specs",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("document", Prose(), nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_specs"),
    )
    op.create_table(
        "handlings",
        sa.Column("handler", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("handled_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_handlings_event_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("handler", "event_id", name="pk_handlings"),
    )
    op.create_table(
        "workflows",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("spec_digest", sa.String(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("pause_reason", sa.String(32), nullable=True),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("correlation_id", sa.String(), nullable=False),
        sa.Column("chain", sa.Integer(), nullable=False),
        sa.Column("parent_workflow_id", sa.String(), nullable=True),
        sa.Column("error", Prose(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=True),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_workflow_id"], ["workflows.id"], name="fk_workflows_parent_workflow_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["spec_digest"], ["specs.digest"], name="fk_workflows_spec_digest"),
        sa.PrimaryKeyConstraint("id", name="pk_workflows"),
    )
    op.create_index("ix_workflows_created_at", "workflows", ["created_at"])
    op.create_index("ix_workflows_parent_workflow_id", "workflows", ["parent_workflow_id"])
    op.create_index("ix_workflows_status", "workflows", ["status"])
    op.create_table(
        "works",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("checkpoint_id", sa.String(), nullable=True),
        sa.Column("session_id", Prose(), nullable=True),
        sa.Column("error", Prose(), nullable=True),
        sa.Column("started_at", UtcTime(), nullable=True),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_works_workflow_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_works"),
    )
    op.create_index("ix_works_workflow_id", "works", ["workflow_id"])
    op.create_table(
        "worktrees",
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("git", sa.String(), nullable=False),
        sa.Column("git_id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("base_commit", sa.String(), nullable=False),
        sa.Column("head_commit", sa.String(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("removed_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["git_id"], ["gits.id"], name="fk_worktrees_git_id"),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_worktrees_workflow_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("workflow_id", "git", name="pk_worktrees"),
    )
    op.create_index("ix_worktrees_git_id", "worktrees", ["git_id"])
    op.create_table(
        "checks",
        sa.Column("work_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("output", Prose(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["work_id"], ["works.id"], name="fk_checks_work_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("work_id", "name", name="pk_checks"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("work_id", sa.String(), nullable=False),
        sa.Column("work", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("commits", sa.JSON(), nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("invalidated_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["work_id"], ["works.id"], name="fk_checkpoints_work_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name="fk_checkpoints_workflow_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoints"),
    )
    op.create_index("ix_checkpoints_work_id", "checkpoints", ["work_id"])
    op.create_index("ix_checkpoints_workflow_id", "checkpoints", ["workflow_id"])
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("work_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("query_length", sa.Integer(), nullable=True),
        sa.Column("stop_reason", Prose(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", Money(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("answer_path", sa.String(), nullable=True),
        sa.Column("snapshot", sa.JSON(), nullable=False),
        sa.Column("error", Prose(), nullable=True),
        sa.Column("started_at", UtcTime(), nullable=True),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["work_id"], ["works.id"], name="fk_tasks_work_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_tasks_workflow_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
    )
    op.create_index("ix_tasks_work_id", "tasks", ["work_id"])
    op.create_index("ix_tasks_workflow_id", "tasks", ["workflow_id"])
    op.create_table(
        "reports",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("work_id", sa.String(), nullable=False),
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("title", Prose(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("outline", sa.JSON(), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_reports_task_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["work_id"], ["works.id"], name="fk_reports_work_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_reports_workflow_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
        sa.UniqueConstraint("task_id", name="uq_reports_task_id"),
    )
    op.create_index("ix_reports_work_id", "reports", ["work_id"])
    op.create_index("ix_reports_workflow_id", "reports", ["workflow_id"])
