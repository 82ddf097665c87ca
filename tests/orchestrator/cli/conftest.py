from __future__ import annotations

from tests.parts.postgres import postgres

__all__ = ["postgres"]
