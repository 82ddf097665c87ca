"""Migrations: which version the tables are at, and bringing them to this program's.

Each is a file in `migrations/versions/`, numbered; a new one must leave the tables usable for the program before it,
because the old and the new one run side by side while a deployment rolls.
"""

from __future__ import annotations

from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, inspect, text

from orchestrator.store.connect import outside_transaction, writing
from orchestrator.store.tables import SCHEMA

log = structlog.get_logger(__name__)

# The newest file in migrations/versions. Here as well, so that asking for the version does without Alembic's import.
REVISION = "0005"

_VERSION_TABLE = "alembic_version"

# Any number, as long as nothing else in the database locks on it.
_ADVISORY_LOCK = 0x0C4E57A7


def version(engine: Engine) -> str | None:
    """The version that the tables are at, None where there are none."""
    with engine.connect() as connection:
        return _version(connection)


def upgrade(engine: Engine) -> None:
    """Apply what is missing, all or nothing. A database that is newer than this program is left as it is."""
    if engine.dialect.name == "sqlite":
        with outside_transaction(engine).connect() as connection:
            # Readers and the writer do not wait for each other. The mode stays with the file.
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    # On SQLite the write lock that this transaction begins with keeps other processes out, on PostgreSQL `_prepare`'s.
    with writing(engine).begin() as connection:
        if engine.dialect.name != "sqlite":
            _prepare(connection)
        found = _version(connection)
        if found is None or found < REVISION:
            _apply(connection)
            log.info("StoreMigrated", message="database migrated", context={"from": found, "to": REVISION})


def _version(connection: Connection) -> str | None:
    schema = None if connection.dialect.name == "sqlite" else SCHEMA
    if not inspect(connection).has_table(_VERSION_TABLE, schema=schema):
        return None
    table = f"{schema}.{_VERSION_TABLE}" if schema else _VERSION_TABLE
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {table}"))  # noqa: S608 — two constants
    return found


def _prepare(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    # Asked first, because CREATE SCHEMA demands its privilege even where an administrator has made the schema already.
    if connection.scalar(text("SELECT to_regnamespace(:schema)"), {"schema": SCHEMA}) is None:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    # Alembic's operations do not know `schema_translate_map`; they name no schema and land in this one.
    connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))


def _apply(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
