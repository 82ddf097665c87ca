"""The JSON schema of `defs.yaml`, for editors: `python -m orchestrator.spec.schema_file` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.spec.load import COMPONENT_TYPES
from orchestrator.spec.model import WorkflowSpec

PATH = Path(__file__).parents[2] / "docs" / "workflow.schema.json"


def schema() -> Any:
    """The schema of a whole file; what holds between keys it cannot say, so a valid file may still be refused."""
    attributes = WorkflowSpec.model_json_schema()
    definitions = attributes.pop("$defs")
    return _closed(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "description": "A workflow of Workflow Orchestrator.",
            "type": "object",
            "additionalProperties": False,
            "required": ["type", "attributes"],
            "properties": {"type": {"enum": list(COMPONENT_TYPES)}, "attributes": attributes},
            "$defs": definitions,
        }
    )


def _closed(node: Any) -> Any:
    """Without pydantic's titles, and with no other keys beside those that a pattern allows."""
    if isinstance(node, list):
        return [_closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    # A string is a title of pydantic's; a mapping is the property `title` of a Report.
    kept = {key: _closed(part) for key, part in node.items() if key != "title" or not isinstance(part, str)}
    return {**kept, "additionalProperties": False} if "patternProperties" in kept else kept


def text() -> str:
    """The file's contents."""
    return json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
