"""The tests of events run on both databases."""

from __future__ import annotations

from tests.parts.database import postgres, store, url

__all__ = ["postgres", "store", "url"]
