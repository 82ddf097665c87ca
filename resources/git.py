"""git as a Dagster resource: what the Git assets ask of a remote."""

import os
from dataclasses import replace

import dagster as dg

from orchestrator.engine.engine import git_settings
from orchestrator.git import remote_head
from orchestrator.settings import load_settings
from orchestrator.spec.variables import substitute


class GitResource(dg.ConfigurableResource[None]):
    """Asks remotes where their refs stand, with the same care for credentials and time-outs as a Work."""

    def remote_head(self, url: str, ref: str, *, timeout_ms: int | None = None) -> str:
        """The full commit hash of `ref` at `url`; `${NAME}` in the url comes from the environment.

        `timeout_ms` takes the place of GIT_COMMAND_TIMEOUT_MS where that is longer.
        """
        settings = git_settings(load_settings())
        if timeout_ms is not None:
            settings = replace(settings, timeout_ms=min(timeout_ms, settings.timeout_ms))
        return remote_head(substitute(url, os.environ), ref, settings)
