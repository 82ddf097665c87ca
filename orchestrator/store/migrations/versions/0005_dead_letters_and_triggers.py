"""Events that could not be handled, webhook deliveries, and what triggers started and was published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from orchestrator.store.types import Prose, UtcTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add `dead_letters`, `deliveries`, `firings` and `publications`."""
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("handler", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("error", Prose(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", UtcTime(), nullable=False),
        sa.Column("retry_asked_at", UtcTime(), nullable=True),
        sa.Column("claimed_until", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_dead_letters_event_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
    )
    op.create_index("ix_dead_letters_event_id", "dead_letters", ["event_id"])
    op.create_table(
        "deliveries",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("source", "id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_received_at", "deliveries", ["received_at"])
    op.create_index("ix_deliveries_source_digest", "deliveries", ["source", "digest"])
    op.create_table(
        "firings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("overlap", sa.String(32), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("reason", Prose(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("workflow_id", sa.String(), nullable=True),
        sa.Column("fired_at", UtcTime(), nullable=False),
        sa.Column("settled_at", UtcTime(), nullable=True),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_until", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_firings"),
    )
    op.create_index("ix_firings_workflow_id", "firings", ["workflow_id"])
    op.create_index("uq_firings_workflow_trigger_key", "firings", ["workflow", "trigger", "key"], unique=True)
    op.create_index("ix_firings_workflow_fired_at", "firings", ["workflow", "fired_at"])
    waiting = sa.text("status = 'WAITING'")
    op.create_index("ix_firings_waiting", "firings", ["fired_at"], postgresql_where=waiting, sqlite_where=waiting)
    op.create_table(
        "publications",
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("git", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("pull_request", sa.String(), nullable=True),
        sa.Column("error", Prose(), nullable=True),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name="fk_publications_workflow_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workflow_id", "git", name="pk_publications"),
    )
