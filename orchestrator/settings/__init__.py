"""Every environment variable the system reads: read once, checked whole, frozen."""

from orchestrator.settings.load import load_settings, prepare_folders
from orchestrator.settings.table import Row, Settings

__all__ = ["Row", "Settings", "load_settings", "prepare_folders"]
