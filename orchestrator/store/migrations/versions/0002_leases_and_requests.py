"""Who performs a Workflow, what was asked of it, and when it may go on by itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from orchestrator.store.types import UtcTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add `leases`, `requests` and `workflows.resume_at`."""
    op.add_column("workflows", sa.Column("resume_at", UtcTime(), nullable=True))
    op.create_table(
        "leases",
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("process_started", sa.Double(), nullable=True),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_leases_workflow_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("workflow_id", name="pk_leases"),
    )
    op.create_table(
        "requests",
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(32), nullable=True),
        sa.Column("launched", sa.Boolean(), nullable=False),
        sa.Column("requested_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_requests_workflow_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("workflow_id", "kind", name="pk_requests"),
    )
