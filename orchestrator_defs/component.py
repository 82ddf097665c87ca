"""The Workflow component: one `defs.yaml` becomes the assets and the job of one workflow."""

from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components.core.context import ComponentLoadContext
from pydantic import BaseModel

from orchestrator.mcp.registry import registered_servers
from orchestrator.settings import load_settings
from orchestrator.spec.load import LoadedSpec, load_spec
from orchestrator.spec.model import WorkflowSpec
from orchestrator_defs.workflow import build_definitions

DEFS_FILE = "defs.yaml"


class Workflow(dg.Component):
    """A multi-step AI agent job over git repositories: Works, each an agent and its Tasks, ending in Checkpoints."""

    def __init__(self, loaded: LoadedSpec) -> None:
        self.loaded = loaded

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        # A plain model, not `dg.Resolvable`: `{{ inputs.x }}` and `${NAME}` are ours and must reach us unrendered.
        return WorkflowSpec

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(
            description=cls.__doc__, tags=["agents", "git"], produces=["asset", "asset_check", "job"]
        )

    @classmethod
    def load(cls, attributes: Any, context: ComponentLoadContext) -> "Workflow":
        # The file is read again by our own loader: it alone knows line numbers, query files and the rules between keys.
        del attributes
        return cls(load_spec(Path(context.path) / DEFS_FILE, registered_mcp=registered_servers(load_settings())))

    def build_defs(self, context: ComponentLoadContext) -> dg.Definitions:
        del context
        return build_definitions(self.loaded)
