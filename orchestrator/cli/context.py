"""What the subcommands share: settings, logs and the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.engine.engine import Engine, git_settings, open_settings_store
from orchestrator.observe.log import Level, configure_logging
from orchestrator.observe.mask import Mask
from orchestrator.settings import Settings, load_settings, prepare_folders
from orchestrator.store import Store


def start(*, level: Level | None = None) -> Settings:
    """Settings checked, logs on stderr. `level` overrides LOG_LEVEL where a command's own output would drown."""
    settings = load_settings()
    configure_logging(level or settings.log_level, mask=Mask.load())
    return settings


def webserver(settings: Settings) -> str:
    """Where the Dagster webserver of this machine's system answers."""
    return f"http://127.0.0.1:{settings.dagster_ui_port}"


def stop_limit_s(settings: Settings) -> float:
    """How long a worker may take to stop: its agent's time, and ours to see it and to write it down."""
    return settings.agent_stop_timeout_ms / 1000 + 30


@contextmanager
def open_engine(settings: Settings) -> Iterator[Engine]:
    """What the use cases that touch repositories work with; see `open_store`."""
    with open_store(settings) as store:
        yield Engine(settings=settings, store=store, git=git_settings(settings))


@contextmanager
def open_store(settings: Settings, *, migrate: bool = False) -> Iterator[Store]:
    """The store of these settings, with its tables there.

    In development the embedded database is made on first use; elsewhere a command that only looks never changes it.
    """
    if migrate or settings.app_env == "development":
        prepare_folders(settings)
        migrate = True
    store = open_settings_store(settings)
    try:
        if migrate:
            store.migrate()
        store.check()
        yield store
    finally:
        store.close()
