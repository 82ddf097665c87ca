"""Logs in every Dagster process: one JSON object a line, masked."""

import logging.config
import warnings

import dagster as dg

from orchestrator.observe.log import configure_logging
from orchestrator.observe.mask import Mask
from orchestrator.settings import load_settings


class _Configurator(logging.config.DictConfigurator):
    """What `logging.config.dictConfig` does, and then our form again for what it has just sent to the console."""

    def configure(self) -> None:
        super().configure()
        _configure()


def start_logging() -> None:
    """Configure this process's logs from the settings; Dagster leaves structlog alone when it is configured first."""
    # Dagster's programs and uvicorn bring coloured console handlers of their own, at a time of their own.
    logging.config.dictConfigClass = _Configurator
    # Dagster is pinned to one version: what it may change in the next one is seen when that one is taken.
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    _configure()


def _configure() -> None:
    configure_logging(load_settings().log_level, mask=Mask.load())
