"""The resources open what an op needs, close it again, and put a process's logs into our form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.domain.errors import GitError
from orchestrator.observe.line import FIELDS
from resources.engine import EngineResource
from resources.git import GitResource
from tests.orchestrator_defs.conftest import logging_as_in_dagster, world
from tests.orchestrator_defs.world import World

__all__ = ["logging_as_in_dagster", "world"]

# As Dagster's programs do, and uvicorn in the webserver: a console handler, configured later than our logs.
LATE = """
import logging, logging.config
from resources.telemetry import start_logging
start_logging()
handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
logging.config.dictConfig(
    {"version": 1, "handlers": {"console": handler}, "loggers": {"late": {"handlers": ["console"]}}}
)
logging.getLogger("late").warning("said late")
"""


def test_the_engine_is_open_during_a_run_only() -> None:
    with pytest.raises(RuntimeError, match="during a run only"):
        EngineResource().engine()


def test_the_head_of_a_remote_comes_with_its_variables_filled_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKS", str(world.folder))
    head = world.api.git("rev-parse", "HEAD")

    assert GitResource().remote_head("${BOOKS}/api", "main") == head


def test_a_ref_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(GitError, match="no-such-ref"):
        GitResource().remote_head(str(world.api.path), "no-such-ref")


def test_a_console_handler_that_comes_later_writes_our_form_too(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LATE],
        env={"PATH": "/usr/bin:/bin", "ORCHESTRATOR_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout == ""
    [line] = [json.loads(line) for line in ended.stderr.splitlines()]
    assert tuple(line) == FIELDS
    assert (line["message"], line["level"]) == ("said late", "WARN")
