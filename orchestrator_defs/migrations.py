"""Dagster's own migrations, read once in a process."""

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION


def read_migrations_once() -> None:
    """From now on this process reads Dagster's migrations the first time only.

    On SQLite Dagster keeps a database for each run. It compares revisions whenever it opens one and stamps each new
    one, and reads all of its migrations every time: half of what the webserver does for a launch, and a quarter of what
    a worker does until its first op. They change with the program alone. Dagster does both under one lock.
    """
    read = ScriptDirectory.from_config
    kept: list[ScriptDirectory] = []

    def from_config(config: Config) -> ScriptDirectory:
        if config.get_main_option("script_location") != ALEMBIC_SCRIPTS_LOCATION:
            return read(config)
        if not kept:
            kept.append(read(config))
        return kept[0]

    ScriptDirectory.from_config = from_config  # type: ignore[method-assign]  # called on the class alone
    config = Config()
    config.set_main_option("script_location", ALEMBIC_SCRIPTS_LOCATION)
    from_config(config).as_revision_number("head")
