"""The code location: specs become assets and jobs."""

from orchestrator_defs.component import Workflow

__all__ = ["Workflow"]
