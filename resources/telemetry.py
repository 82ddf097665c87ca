"""Logs in every Dagster process: one JSON object a line, masked."""

from orchestrator.observe.log import configure_logging
from orchestrator.observe.mask import Mask
from orchestrator.settings import load_settings


def start_logging() -> None:
    """Configure this process's logs from the settings; Dagster leaves structlog alone when it is configured first."""
    configure_logging(load_settings().log_level, mask=Mask.load())
