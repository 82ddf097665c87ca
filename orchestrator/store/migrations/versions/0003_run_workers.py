"""The processes that perform runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from orchestrator.store.types import UtcTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "run_workers",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("birth", sa.String(), nullable=False),
        sa.Column("log_path", sa.String(), nullable=False),
        sa.Column("launched_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_workers"),
    )
    op.create_index("ix_run_workers_host", "run_workers", ["host"])
