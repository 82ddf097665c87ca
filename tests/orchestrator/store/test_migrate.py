"""Migrations: from nothing, again, by many at once, and in step with the tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from orchestrator import store as package
from orchestrator.domain.errors import StoreError
from orchestrator.store import Store, migrate, open_store
from orchestrator.store.tables import SCHEMA, metadata
from orchestrator.store.urls import database_url
from tests.orchestrator.store.examples import ID, create

MIGRATE = "import sys; from orchestrator.store import open_store; open_store(sys.argv[1]).migrate()"


def test_an_empty_database_says_what_to_do(url: str) -> None:
    store = open_store(url)

    with pytest.raises(StoreError, match=r"at version none, this program needs \d+; start `orchestrator up`"):
        store.check()
    with pytest.raises(StoreError, match="start `orchestrator up` or `orchestrator serve`, which migrate it"):
        store.read(lambda reader: reader.workflows())
    store.migrate()
    store.check()
    store.close()


def test_migrating_again_keeps_what_is_there(store: Store) -> None:
    row = create(store)
    store.migrate()

    assert store.read(lambda reader: reader.workflow(ID)) == row


def test_many_processes_migrate_one_database_at_once(url: str) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", MIGRATE, url], stderr=subprocess.PIPE) for _ in range(4)]
    failures = [process.communicate()[1] for process in processes if process.wait() != 0]

    assert failures == []
    open_store(url).check()


def test_a_newer_database_is_left_as_it_is(store: Store, url: str) -> None:
    _execute(url, "UPDATE {schema}alembic_version SET version_num = '9999'")
    store.migrate()
    store.check()

    assert _execute(url, "SELECT version_num FROM {schema}alembic_version") == "9999"


def test_an_older_database_is_refused_until_migrated(store: Store, url: str) -> None:
    _execute(url, "UPDATE {schema}alembic_version SET version_num = '0000'")

    with pytest.raises(StoreError, match="is at version 0000"):
        store.check()


@pytest.mark.usefixtures("store")
def test_the_migrations_make_the_tables_that_the_program_uses(url: str) -> None:
    engine = create_engine(database_url(url))
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET search_path TO {SCHEMA}"))
            engine.dialect.default_schema_name = SCHEMA
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.usefixtures("store")
def test_everything_is_in_a_schema_of_its_own(url: str) -> None:
    inspector = inspect(create_engine(database_url(url)))

    if inspector.dialect.name == "postgresql":
        assert inspector.get_table_names(schema="public") == []
        assert {*metadata.tables, "alembic_version"} == set(inspector.get_table_names(schema=SCHEMA))
    else:
        assert {*metadata.tables, "alembic_version"} == set(inspector.get_table_names())


def test_the_program_knows_its_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).with_name("migrations")))

    assert ScriptDirectory.from_config(config).get_current_head() == migrate.REVISION


def _execute(url: str, statement: str) -> Any:
    engine = create_engine(database_url(url))
    schema = f"{SCHEMA}." if engine.dialect.name == "postgresql" else ""
    with engine.begin() as connection:
        result = connection.execute(text(statement.format(schema=schema)))
        return result.scalar() if result.returns_rows else None
