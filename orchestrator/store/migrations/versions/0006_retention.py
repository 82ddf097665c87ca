"""What retention needs: how long to keep, how much there is, what was archived, what belongs to nobody."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from orchestrator.store.types import UtcTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add columns to `specs` and `worktrees`, the tables `archives`, `orphans` and `notes`."""
    for name in ("keep_worktrees_s", "keep_reports_s", "keep_checkpoints_s"):
        op.add_column("specs", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("worktrees", sa.Column("removing_at", UtcTime(), nullable=True))
    op.add_column("worktrees", sa.Column("bytes", sa.BigInteger(), nullable=True))
    op.add_column("worktrees", sa.Column("measured_at", UtcTime(), nullable=True))
    op.create_table(
        "archives",
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("archived_at", UtcTime(), nullable=False),
        sa.Column("restored_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_archives_workflow_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("workflow_id", name="pk_archives"),
    )
    op.create_table(
        "orphans",
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", name="pk_orphans"),
    )
    op.create_table(
        "notes",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("noted_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_notes"),
    )
