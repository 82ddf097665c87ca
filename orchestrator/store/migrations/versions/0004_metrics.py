"""Metrics as rows, the indexes that a scrape counts by, and the trace of a Workflow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COUNTED = (
    ("ix_works_running", "works", "workflow_id", "status = 'RUNNING'"),
    ("ix_worktrees_standing", "worktrees", "workflow_id", "removed_at IS NULL"),
    ("ix_checkpoints_invalid", "checkpoints", "invalidated_at", "invalidated_at IS NOT NULL"),
)


def upgrade() -> None:
    """Add them; the program before reads and writes none of it."""
    op.create_table(
        "metrics",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("labels", sa.String(), nullable=False),
        sa.Column("cell", sa.String(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", "cell", name="pk_metrics"),
    )
    op.add_column("workflows", sa.Column("trace_id", sa.String(), nullable=True))
    op.create_index("ix_workflows_ended_at", "workflows", ["ended_at"])
    for name, table, column, where in _COUNTED:
        op.create_index(name, table, [column], postgresql_where=sa.text(where), sqlite_where=sa.text(where))
