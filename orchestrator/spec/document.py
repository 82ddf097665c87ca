"""The stored form of a spec: canonical JSON that needs no other file, and its digest."""

from __future__ import annotations

import hashlib
import json

from pydantic import ValidationError

from orchestrator.domain.errors import SpecError
from orchestrator.spec.duration import parse_duration
from orchestrator.spec.model import WorkflowSpec

SCHEMA_VERSION = 1


def document_of(spec: WorkflowSpec) -> str:
    """Canonical JSON: sorted keys, no spaces, defaults written out so that a later default changes no stored spec."""
    fields = spec.model_dump(mode="json", exclude_none=True)
    return json.dumps(
        {"schema_version": SCHEMA_VERSION, **fields}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def digest_of(document: str) -> str:
    """The 64 hex digits of the document's SHA-256."""
    return hashlib.sha256(document.encode()).hexdigest()


def parse_document(document: str) -> WorkflowSpec:
    """The spec that was stored.

    Raises:
        SpecError: it is damaged, or of a schema version that this release does not know.
    """
    try:
        fields = json.loads(document)
        version = fields.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise SpecError([f"stored spec: schema_version {version!r} is unknown here; use a newer release"])
        return WorkflowSpec.model_validate(fields)
    # ValueError: no JSON; AttributeError and TypeError: JSON of another shape. A ValidationError is a ValueError.
    except (ValueError, AttributeError, TypeError, ValidationError) as error:
        raise SpecError([f"stored spec: cannot be read: {error}"]) from error


def retention_of(document: str) -> dict[str, int]:
    """What the stored spec says of `retention`: name -> seconds. Empty where it says nothing or cannot be read."""
    try:
        said = json.loads(document).get("retention", {})
        return {name: parse_duration(text) for name, text in said.items()}
    # As in `parse_document`; whoever needs the spec itself says what is wrong with it.
    except (ValueError, AttributeError, TypeError):
        return {}
