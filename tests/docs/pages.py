"""The project's documents, as the tests of this folder read them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCED = re.compile(r"^(?P<fence>`{3,})(?P<language>[^`\n]*)\n(?P<body>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    """The page's path in the repository: the id of its tests."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCED.sub("", page.read_text())


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [found["body"] for found in _FENCED.finditer(page.read_text()) if found["language"] == language]
