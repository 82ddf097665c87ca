"""The `orchestrator` command. Each subcommand is a module, imported when it is called: `--help` costs no database."""

from __future__ import annotations

from orchestrator.cli.main import main

__all__ = ["main"]
