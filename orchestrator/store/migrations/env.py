"""Run by Alembic, inside the transaction and under the lock that `orchestrator.store.migrate` holds."""

from __future__ import annotations

from alembic import context

from orchestrator.store.tables import metadata

# Batch mode: SQLite cannot alter a column or constraint, Alembic then copies the table.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
