"""A world per test: real repositories, a Dagster instance with our coordinator, a store."""

from __future__ import annotations

import logging
import logging.config
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import structlog

from orchestrator.engine.engine import open_settings_store
from orchestrator.ops.instance import prepare_instance
from orchestrator.settings import load_settings, prepare_folders
from resources.telemetry import start_logging
from tests.orchestrator.git.repository import new_repository
from tests.orchestrator_defs.world import World


@pytest.fixture(autouse=True)
def logging_as_in_dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logs as in the code location; put back afterwards, as this is the process of all other tests too."""
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook
    configurator = logging.config.dictConfigClass
    with warnings.catch_warnings():
        start_logging()
        yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    logging.config.dictConfigClass = configurator
    structlog.reset_defaults()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("DAGSTER_HOME", "DATABASE_URL", "WORKFLOW_SPECS_PATH"):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings()
    prepare_folders(settings)
    store = open_settings_store(settings)
    store.migrate()
    api = new_repository(tmp_path / "api")
    for repository in (api, new_repository(tmp_path / "web")):
        repository.write("README.md", "hello\n")
        repository.commit("first")
    with dg.DagsterInstance.from_config(str(prepare_instance(settings))) as instance:
        yield World(folder=tmp_path, instance=instance, store=store, api=api)
    store.close()
